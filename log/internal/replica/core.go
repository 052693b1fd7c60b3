package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// Core is the leader's side of one partition: it says what is committed and which
// appends may be acknowledged. It is pure; see package core.
//
// Kafka's high watermark is the smallest log end of the in-sync replicas. A log end
// is in memory: if all of them lose power, committed records are gone, and readers
// saw what is not there any more. So here every replica counts with what it has
// synced:
//
//  1. log end >= durable end >= high watermark.
//  2. The high watermark is the smallest durable end over the maximal ISR, and
//     stands still while that has fewer than min.insync.replicas members (KIP-966).
//     It never goes back.
//  3. Acknowledgements leave in offset order, whatever each waits for.
//  4. What waits belongs to the leader epoch: when that ends it fails, and whether
//     it happened is not known.
//
// The last stable offset is no decision of its own: the log knows which
// transactions have no marker below the high watermark.
type Core struct {
	self      int32
	leading   bool
	epoch     int32
	isr       []int32
	minInSync int

	end     int64
	durable map[int32]int64 // by node of the ISR, self too
	high    int64
	shown   int64 // the high watermark that was installed last
	waiting []waiter
}

// waiter is an append that is not acknowledged yet.
type waiter struct {
	id   uint64
	end  int64
	acks Acks
}

// HighWatermark is installed when it has risen.
type HighWatermark int64

// Lead begins a leader epoch, or brings a changed ISR or min.insync.replicas into
// the one there is.
type Lead struct {
	LeaderEpoch int32
	ISR         []int32
	MinInSync   int
	// Start and End are those of the log, Durable what of it is synced here. What is
	// below Start was committed once.
	Start, End, Durable int64
}

// Resign ends the leader epoch.
type Resign struct{ Err error }

// Appended says that a batch is in the log. They come in offset order.
type Appended struct {
	// ID is that of the Reply that acknowledges it, an error or nil; 0 wants none.
	ID   uint64
	Acks Acks
	// End is the offset after its last record.
	End int64
}

// Durable says that a node of the ISR has synced everything below End.
type Durable struct {
	Node int32
	End  int64
}

// Cancel says that nobody waits for an acknowledgement any more.
type Cancel struct{ ID uint64 }

// NewCore returns the core of a partition on node self, which waits for a Lead.
func NewCore(self int32) *Core {
	return &Core{self: self, durable: map[int32]int64{}}
}

// Step takes Lead, Resign, Appended, Durable, Cancel and core.Tick. Its duties are
// core.Reply, in offset order, and core.Install of a HighWatermark. None has an After.
func (c *Core) Step(now time.Duration, in core.Input, out *core.Duties) {
	switch in := in.(type) {
	case Lead:
		c.lead(in, out)
	case Resign:
		c.resign(in.Err, out)
	case Appended:
		c.appended(in, out)
	case Durable:
		c.durable[in.Node] = max(in.End, c.durable[in.Node])
	case Cancel:
		c.waiting = slices.DeleteFunc(c.waiting, func(w waiter) bool { return w.id == in.ID })
	case core.Tick:
	default:
		panic(fmt.Sprintf("replica: the core has no input %T", in))
	}
	c.advance(out)
}

// Leading reports whether the node leads the partition, and in which epoch.
func (c *Core) Leading() (epoch int32, ok bool) { return c.epoch, c.leading }

// TooFewInSync reports whether an append that wants all acknowledgements must be
// refused.
func (c *Core) TooFewInSync() bool { return len(c.isr) < c.minInSync }

func (c *Core) lead(in Lead, out *core.Duties) {
	if c.leading && in.LeaderEpoch == c.epoch {
		c.isr, c.minInSync = in.ISR, in.MinInSync
		return
	}
	c.resign(errNewEpoch, out)
	c.leading, c.epoch, c.isr, c.minInSync = true, in.LeaderEpoch, in.ISR, in.MinInSync
	c.end, c.high = in.End, max(c.high, in.Start)
	clear(c.durable)
	c.durable[c.self] = in.Durable
}

func (c *Core) resign(err error, out *core.Duties) {
	c.leading = false
	for _, w := range c.waiting {
		out.Add(core.Reply{ID: w.id, Response: err})
	}
	c.waiting = nil
}

func (c *Core) appended(in Appended, out *core.Duties) {
	c.end = max(c.end, in.End) // a duplicate waits for what is there
	if in.ID == 0 {
		return
	}
	if !c.leading {
		out.Add(core.Reply{ID: in.ID, Response: errNewEpoch})
		return
	}
	c.waiting = append(c.waiting, waiter{in.ID, in.End, in.Acks})
}

// advance moves the offsets and acknowledges what it can.
func (c *Core) advance(out *core.Duties) {
	if !c.leading {
		return
	}
	c.high = max(c.high, c.committed())
	if c.high > c.shown {
		c.shown = c.high
		out.Add(core.Install{State: HighWatermark(c.high)})
	}
	n := 0
	for n < len(c.waiting) && c.acknowledged(c.waiting[n]) {
		out.Add(core.Reply{ID: c.waiting[n].id})
		n++
	}
	if n > 0 {
		c.waiting = append(c.waiting[:0], c.waiting[n:]...)
	}
}

// committed is the smallest durable end in the ISR, or 0 if that is too small.
func (c *Core) committed() int64 {
	if c.TooFewInSync() || len(c.isr) == 0 {
		return 0
	}
	least := c.end
	for _, node := range c.isr {
		least = min(least, c.durable[node])
	}
	return least
}

func (c *Core) acknowledged(w waiter) bool {
	if w.acks == AcksAll {
		return c.high >= w.end
	}
	return c.durable[c.self] >= w.end
}
