package broker

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/quota"
)

// Throttling: who has used more than a quota allows is answered at once and told for
// how long not to ask again (KIP-219), and is made to keep to it: a connection is not
// read for that long, a Session's call returns that much later. Handlers have nothing
// to do with it. They say what they have moved (countProduced, countFetched) and what
// they are about to change (mutate).

// client is who the caller is to quotas.
func (c *Caller) client() quota.Client {
	return quota.NewClient(strings.TrimPrefix(c.Principal, "User:"), c.ClientID, c.Host)
}

// charge books what the request has used so far, worked being the time that its
// handler took without what it waited for others.
func (c *call) charge(t *quota.Table, worked time.Duration) {
	who := c.caller.client()
	book := func(key quota.Key, amount float64) {
		c.delay = max(c.delay, c.quotas.Charge(t, key, who, amount))
	}
	book(quota.RequestPercentage, worked.Seconds()*100)
	if c.produced > 0 {
		book(quota.ProducerByteRate, float64(c.produced))
	}
	if c.fetched > 0 {
		book(quota.ConsumerByteRate, float64(c.fetched))
	}
}

// limited remembers whether a client has a quota on what it uses with each request.
type limited struct {
	table  *quota.Table
	client quota.Client
	yes    bool
}

// is looks it up when the quotas or the client are others than the last time.
func (l *limited) is(t *quota.Table, who *Caller) bool {
	if t == nil {
		return false
	}
	if client := who.client(); t != l.table || client != l.client {
		*l = limited{table: t, client: client}
		for _, key := range []quota.Key{quota.ProducerByteRate, quota.ConsumerByteRate, quota.RequestPercentage} {
			_, _, ok := t.Find(key, client)
			l.yes = l.yes || ok
		}
	}
	return l.yes
}

// waits runs f, which waits for others, and does not charge the caller for the time.
func (c *call) waits(f func()) {
	began := time.Now()
	f()
	c.waited += time.Since(began)
}

// fetchLimit is how much one Fetch of the caller may return: no more than would be
// made up for by a wait of some seconds.
func (c *call) fetchLimit(limit int) int {
	if most, ok := c.image().Quotas().Most(quota.ConsumerByteRate, c.caller.client()); ok && most < float64(limit) {
		return int(most)
	}
	return limit
}

// mutate asks for the right to make or delete so many partitions (KIP-599). Versions
// whose clients know the error are refused while the caller owes something; older ones
// are never refused, and wait. It must not be called for what is only validated.
func (c *call) mutate(partitions int, strict bool) error {
	t := c.image().Quotas()
	if t == nil || partitions <= 0 {
		return nil
	}
	if !strict {
		c.delay = max(c.delay, c.quotas.Charge(t, quota.ControllerMutationRate, c.caller.client(), float64(partitions)))
		return nil
	}
	if wait := c.quotas.Admit(t, quota.ControllerMutationRate, c.caller.client(), float64(partitions)); wait > 0 {
		c.delay = max(c.delay, wait)
		return refused(kerr.ThrottlingQuotaExceeded, "the quota controller_mutation_rate is used up: try again in "+wait.String())
	}
	return nil
}

// unmutate takes back what mutate charged for something that did not happen.
func (c *call) unmutate(partitions int) {
	if t := c.image().Quotas(); t != nil && partitions > 0 {
		c.quotas.Refund(t, quota.ControllerMutationRate, c.caller.client(), float64(partitions))
	}
}

// tell puts the throttle time into the response, where its version has one.
func (c *call) tell(resp kmsg.Response) {
	if c.delay <= 0 {
		return
	}
	if r, ok := resp.(kmsg.SetThrottleResponse); ok {
		r.SetThrottle(int32(c.delay.Milliseconds()))
	}
}

// sitOut has a Session's caller wait, and tells nobody to wait once more.
func (c *call) sitOut(ctx context.Context, resp kmsg.Response) {
	if c.delay <= 0 {
		return
	}
	sleep(c.delay, ctx.Done(), c.open.Done())
	if r, ok := resp.(kmsg.SetThrottleResponse); ok {
		r.SetThrottle(0)
	}
}
