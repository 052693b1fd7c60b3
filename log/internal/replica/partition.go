package replica

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Partition is one partition that this node leads. It may be used concurrently.
//
// Other cores run on a core.Driver: an input waits in a mailbox until a shard's
// goroutine takes it up. For the data path that is two switches of goroutines for
// every batch, and a queue that holds its bytes. A replica core needs neither: all
// its duties, replies and new offsets, are done in memory at once. So it is stepped
// where the input arises, under mu, and its rules hold all the same:
//
//  1. gate is the right to append; it is held from the admission until the core has
//     the Appended. So the core sees appends in offset order, and no leader epoch
//     ends in the middle of one. Who waits for it waits with a context, and for a
//     write into the page cache, never for a sync.
//  2. mu is held for a step of the core and never across I/O or a callback. Readers
//     do not take it: what they may see is in the atomics.
//  3. What a step wants called goes to the outbox in order, and one goroutine at a
//     time empties that, without mu. So acknowledgements leave in offset order
//     although appends and syncs step the core from many goroutines.
type Partition struct {
	topic meta.ID
	name  string
	index int32
	node  int32
	log   *storage.Log

	gate chan struct{} // holds a value while somebody may append
	gone chan struct{} // closed when the partition is not led any more
	work sync.WaitGroup

	epoch       atomic.Int32
	high        atomic.Int64
	stable      atomic.Int64
	compactOnly atomic.Bool

	mu       sync.Mutex
	core     *Core
	duties   core.Duties
	pending  map[uint64]*Pending
	nextID   uint64
	watches  [2]watchList
	outbox   []outcome
	spare    []outcome // memory for the next outbox
	draining bool
	closed   error // why nothing is served any more
	queue    appendQueue
}

// outcome is something to be called, in order: an acknowledgement or a watch.
type outcome struct {
	ack   *Pending
	err   error
	waker Waker
}

// maxKeptOutbox bounds the memory of an outbox that is kept for the next calls.
const maxKeptOutbox = 64

func newPartition(t *meta.Topic, index, node int32, log *storage.Log) *Partition {
	p := &Partition{topic: t.ID, name: t.Name, index: index, node: node, log: log, core: NewCore(node),
		gate: make(chan struct{}, 1), gone: make(chan struct{}), pending: map[uint64]*Pending{}}
	log.OnDurable(func(end int64) { p.step(Durable{Node: node, End: end}) })
	return p
}

// TopicID is that of the topic.
func (p *Partition) TopicID() meta.ID { return p.topic }

// Topic is the topic's name, which another topic may have had or get.
func (p *Partition) Topic() string { return p.name }

// Index is the partition's number.
func (p *Partition) Index() int32 { return p.index }

// LeaderEpoch is the epoch in which this node leads the partition.
func (p *Partition) LeaderEpoch() int32 { return p.epoch.Load() }

// HighWatermark is the offset after the last committed record.
func (p *Partition) HighWatermark() int64 { return p.high.Load() }

// LastStable is the offset up to which transactions are decided.
func (p *Partition) LastStable() int64 { return p.stable.Load() }

// LogStart is the first offset that was not deleted.
func (p *Partition) LogStart() int64 { return p.log.LogStart() }

// LogEnd is the offset that the next record gets.
func (p *Partition) LogEnd() int64 { return p.log.LogEnd() }

// visible is the end of what iso may see.
func (p *Partition) visible(iso Isolation) int64 {
	if iso == ReadCommitted {
		return p.stable.Load()
	}
	return p.high.Load()
}

// lead begins the leader epoch of the metadata's state, or takes over what changed
// in it. Reads and writes of an older epoch have ended when it returns.
func (p *Partition) lead(ctx context.Context, t *meta.Topic, state *meta.Partition) error {
	p.compactOnly.Store(t.Cleans("compact") && !t.Cleans("delete"))
	select {
	case p.gate <- struct{}{}:
		defer func() { <-p.gate }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := p.log.SetLeaderEpoch(state.LeaderEpoch); err != nil {
		return err
	}
	p.epoch.Store(state.LeaderEpoch)
	p.step(Lead{LeaderEpoch: state.LeaderEpoch, ISR: state.ISR, MinInSync: t.MinInSync(),
		Start: p.log.LogStart(), End: p.log.LogEnd(), Durable: p.log.Durable()})
	return nil
}

// resign ends the leadership: what waits gets err, and so does whoever comes.
func (p *Partition) resign(err error) {
	p.mu.Lock()
	if p.closed != nil {
		p.mu.Unlock()
		return
	}
	p.closed = err
	p.stepLocked(Resign{Err: err})
	for i := range p.watches {
		p.outbox = p.watches[i].wake(math.MaxInt64, p.outbox)
	}
	close(p.gone)
	p.drain()
	p.gate <- struct{}{} // for ever: no append runs, none begins
	p.work.Wait()
}

// step feeds the core and calls what it wants called.
func (p *Partition) step(in core.Input) {
	p.mu.Lock()
	p.stepLocked(in)
	p.drain()
}

// stepLocked feeds the core; with mu held.
func (p *Partition) stepLocked(in core.Input) {
	p.duties.Reset()
	p.core.Step(0, in, &p.duties)
	for _, d := range p.duties.List {
		switch do := d.Do.(type) {
		case core.Install:
			p.show(int64(do.State.(HighWatermark)))
		case core.Reply:
			err, _ := do.Response.(error)
			p.outbox = append(p.outbox, outcome{ack: p.pending[do.ID], err: err})
			delete(p.pending, do.ID)
		}
	}
}

// show lets readers see more; with mu held. The high watermark is stored first, so
// that a reader that loads the last stable offset before it finds them in order.
func (p *Partition) show(high int64) {
	p.high.Store(high)
	stable := p.log.LastStable(high)
	p.stable.Store(stable)
	p.outbox = p.watches[ReadUncommitted].wake(high, p.outbox)
	p.outbox = p.watches[ReadCommitted].wake(stable, p.outbox)
}

// drain empties the outbox, unless somebody is at it who will. It is called with mu
// and returns without.
func (p *Partition) drain() {
	if p.draining {
		p.mu.Unlock()
		return
	}
	p.draining = true
	for len(p.outbox) > 0 {
		calls := p.outbox
		p.outbox, p.spare = p.spare, nil
		p.mu.Unlock()
		for _, c := range calls {
			if c.ack != nil {
				c.ack.settle(c.err)
			} else {
				c.waker.Wake()
			}
		}
		clear(calls)
		p.mu.Lock()
		if cap(calls) <= maxKeptOutbox {
			p.spare = calls[:0]
		}
	}
	p.draining = false
	p.mu.Unlock()
}

// admit refuses an append that must not begin; with gate held.
func (p *Partition) admit(o AppendOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	epoch, leading := p.core.Leading()
	switch {
	case p.closed != nil:
		return p.closed
	case !leading:
		return refuse(kerr.NotLeaderForPartition, "%s/%d is not led here yet", p.name, p.index)
	case o.LeaderEpoch >= 0 && o.LeaderEpoch != epoch:
		return refuse(kerr.FencedLeaderEpoch, "%s/%d is in leader epoch %d, not %d", p.name, p.index, epoch, o.LeaderEpoch)
	case o.Acks == AcksAll && p.core.TooFewInSync():
		return refuse(kerr.NotEnoughReplicas, "%s/%d has fewer replicas in sync than min.insync.replicas", p.name, p.index)
	}
	return nil
}
