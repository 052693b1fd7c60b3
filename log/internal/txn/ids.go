package txn

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// WantProducerIDs is the message of a core.Send: get a few producer ids and bring a
// ProducerIDs. There is never more than one of a core under way.
type WantProducerIDs struct{}

// ProducerIDs is the input with N fresh producer ids from First on, or why there are
// none.
type ProducerIDs struct {
	First, N int64
	Err      error
}

// stock is the producer ids that a core has not given out yet, and who waits for one.
type stock struct {
	next, end int64
	asked     bool
	waiting   []coord.Request
}

// takeID gives a fresh producer id. If there is none it asks for some; the caller
// comes back then.
func (c *Core) takeID() (int64, bool) {
	if c.ids.next < c.ids.end {
		c.ids.next++
		return c.ids.next - 1, true
	}
	if !c.ids.asked {
		c.ids.asked = true
		c.token++
		c.out.Add(core.Send{Token: c.token, Message: WantProducerIDs{}})
	}
	return none, false
}

// awaitID keeps a request until there are producer ids.
func (c *Core) awaitID(r coord.Request) { c.ids.waiting = append(c.ids.waiting, r) }

func (c *Core) producerIDs(in ProducerIDs) {
	c.ids.asked = false
	if in.Err == nil {
		c.ids.next, c.ids.end = in.First, in.First+in.N
	}
	waiting := c.ids.waiting
	c.ids.waiting = nil
	for _, r := range waiting {
		if in.Err == nil {
			c.request(r)
		} else {
			c.replyError(nil, r, kerr.CoordinatorLoadInProgress)
		}
	}
}
