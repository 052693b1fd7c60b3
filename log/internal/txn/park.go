package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/coord"
)

// parkedRequest waits for a transaction of its id to end: one of the two.
type parkedRequest struct {
	init  *coord.Request
	add   *Add
	until time.Duration
}

// park keeps a request until the transaction that is being decided is complete, or
// for Config.Park.
func (c *Core) park(t *transaction, p parkedRequest) {
	if c.cfg.Park < 0 || len(t.parked) >= maxParked {
		c.refuseParked(t, p)
		return
	}
	p.until = c.now + c.cfg.Park
	t.parked = append(t.parked, p)
	if len(t.parked) == 1 {
		c.timers.Set(timerKey{parkTimer, t.id}, p.until)
	}
}

// unpark serves the parked requests again, in the order in which they came.
func (c *Core) unpark(t *transaction) {
	parked := t.parked
	t.parked = nil
	c.timers.Clear(timerKey{parkTimer, t.id})
	for _, p := range parked {
		if p.init != nil {
			c.request(*p.init)
		} else {
			c.add(*p.add)
		}
	}
}

// unparkLate refuses what has waited too long.
func (c *Core) unparkLate(t *transaction) {
	for len(t.parked) > 0 && t.parked[0].until <= c.now {
		p := t.parked[0]
		t.parked = t.parked[1:]
		c.refuseParked(t, p)
	}
	if len(t.parked) > 0 {
		c.timers.Set(timerKey{parkTimer, t.id}, t.parked[0].until)
	}
}

func (c *Core) refuseParked(t *transaction, p parkedRequest) {
	if p.init != nil {
		c.replyError(t, *p.init, kerr.ConcurrentTransactions)
		return
	}
	c.replyAdd(t, *p.add, kerr.ConcurrentTransactions)
}
