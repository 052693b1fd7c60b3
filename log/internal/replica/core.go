package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// Core is the leader's side of one partition: it says what is committed, what is
// stable, and which appends may be acknowledged. It is pure; see package core.
//
// Kafka's high watermark is the smallest log end of the in-sync replicas. A log end
// is in memory: if all of them lose power, committed records are gone, and readers
// saw what is not there any more. So here every replica counts with what it has
// synced:
//
//  1. log end >= durable end >= high watermark >= last stable offset.
//  2. The high watermark is the smallest durable end over the maximal ISR, and
//     stands still while that has fewer than min.insync.replicas members (KIP-966).
//     It never goes back.
//  3. The last stable offset is the first offset of a transaction whose end is not
//     below the high watermark, or the high watermark. A marker that is not yet
//     committed does not end a transaction for readers.
//  4. Acknowledgements leave in offset order, whatever each waits for.
//  5. Offsets belong to the leader epoch: when it ends, what waits fails, and
//     whether it happened is not known.
type Core struct {
	self      int32
	leading   bool
	epoch     int32
	isr       []int32
	minInSync int

	end       int64
	durable   map[int32]int64 // by node of the ISR, self too
	high      int64
	openFrom  int64 // first offset of the oldest transaction that is open in the log, -1 if none
	ended     []endedTransaction
	waiting   []waiter
	published Offsets
}

// waiter is an append that is not acknowledged yet.
type waiter struct {
	id   uint64
	end  int64
	acks Acks
}

// endedTransaction is one whose marker is in the log but not yet committed.
type endedTransaction struct{ first, marker int64 }

// Offsets are what readers need to know of a partition.
type Offsets struct {
	HighWatermark int64
	LastStable    int64
}

// Lead begins a leader epoch, or brings a changed ISR or min.insync.replicas into
// the one there is. In a new epoch End is the log end, and all of it is durable
// here: recovery syncs what it keeps.
type Lead struct {
	LeaderEpoch int32
	ISR         []int32
	MinInSync   int
	End         int64
	// OpenFrom is the first offset of the oldest open transaction, or -1.
	OpenFrom int64
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
	// OpenFrom is as in Lead, after this append.
	OpenFrom int64
	// EndedFrom is the first offset of the transaction that this batch, a marker,
	// ends, or -1.
	EndedFrom int64
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
	return &Core{self: self, durable: map[int32]int64{}, openFrom: -1}
}

// Step takes Lead, Resign, Appended, Durable, Cancel and core.Tick. Its duties are
// core.Reply, in offset order, and core.Install of Offsets. None has an After.
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
	c.end, c.openFrom, c.ended = in.End, in.OpenFrom, nil
	clear(c.durable)
	c.durable[c.self] = in.End
}

func (c *Core) resign(err error, out *core.Duties) {
	c.leading = false
	for _, w := range c.waiting {
		out.Add(core.Reply{ID: w.id, Response: err})
	}
	c.waiting = nil
}

func (c *Core) appended(in Appended, out *core.Duties) {
	if in.End > c.end { // else it is a duplicate, and waits for what is there
		c.end, c.openFrom = in.End, in.OpenFrom
	}
	if in.EndedFrom >= 0 {
		c.ended = append(c.ended, endedTransaction{first: in.EndedFrom, marker: in.End - 1})
	}
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
	c.ended = slices.DeleteFunc(c.ended, func(t endedTransaction) bool { return t.marker < c.high })
	if now := (Offsets{c.high, c.stable()}); now != c.published {
		c.published = now
		out.Add(core.Install{State: now})
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

func (c *Core) stable() int64 {
	stable := c.high
	if c.openFrom >= 0 {
		stable = min(stable, c.openFrom)
	}
	for _, t := range c.ended {
		stable = min(stable, t.first)
	}
	return stable
}

func (c *Core) acknowledged(w waiter) bool {
	if w.acks == AcksAll {
		return c.high >= w.end
	}
	return c.durable[c.self] >= w.end
}
