package replica

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/log/internal/storage"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Pending is an append that is ordered and waits for its acknowledgement.
type Pending struct {
	p       *Partition
	id      uint64
	result  Result
	err     error
	settled chan struct{}       // closed when result and err are final
	done    func(Result, error) // called instead, of an Enqueue
}

// Result is where the append went; it is acknowledged when Wait says so.
func (a *Pending) Result() Result { return a.result }

// Wait returns when the append is acknowledged. If ctx ends first, or the partition
// is not led any more, it may still happen. An error has Kafka's code where there
// is one.
func (a *Pending) Wait(ctx context.Context) (Result, error) {
	select { // of a request's appends most are acknowledged when the first is
	case <-a.settled:
		return a.result, a.err
	default:
	}
	select {
	case <-a.settled:
		return a.result, a.err
	case <-ctx.Done():
		a.p.step(Cancel{ID: a.id})
		a.p.forget(a.id)
		return Result{}, ctx.Err()
	}
}

func (a *Pending) settle(err error) {
	a.err = err
	if a.done != nil {
		if err != nil {
			a.result = Result{BaseOffset: -1, LastOffset: -1, AppendTimeMs: -1}
		}
		a.done(a.result, err)
		return
	}
	close(a.settled)
}

// forget drops an append that nobody waits for.
func (p *Partition) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
}

// Start appends whole record batches, orders them and returns. batches is borrowed
// until then and not written to. It waits for the writes of others, as long as ctx
// lets it, and for its own write; it does not wait for a sync. An error means that
// nothing was appended.
func (p *Partition) Start(ctx context.Context, batches []byte, o AppendOptions) (*Pending, error) {
	select {
	case p.gate <- struct{}{}:
		defer func() { <-p.gate }()
	case <-p.gone:
		return nil, p.closedError()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	a := &Pending{p: p, settled: make(chan struct{})}
	return a, p.append(a, batches, o)
}

// Append is Start and Wait.
func (p *Partition) Append(ctx context.Context, batches []byte, o AppendOptions) (Result, error) {
	a, err := p.Start(ctx, batches, o)
	if err != nil {
		return Result{}, err
	}
	return a.Wait(ctx)
}

// append writes a batch and hands it to the core; with gate held.
func (p *Partition) append(a *Pending, batches []byte, o AppendOptions) error {
	if err := p.admit(o); err != nil {
		return err
	}
	origin := storage.Client
	if o.Origin == FromCoordinator {
		origin = storage.Coordinator
	}
	ticket, err := p.log.Append(batches, storage.AppendOptions{Origin: origin, LeaderEpoch: p.epoch.Load()})
	if err != nil {
		return fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	a.result = Result{BaseOffset: ticket.BaseOffset, LastOffset: ticket.LastOffset,
		AppendTimeMs: ticket.AppendTimeMs, LogStart: ticket.LogStart, Duplicate: ticket.Duplicate}
	in := Appended{Acks: o.Acks, End: ticket.LastOffset + 1}
	if o.Acks == AcksNone {
		p.step(in)
		a.settle(nil)
		return nil
	}
	p.mu.Lock()
	p.nextID++
	a.id, in.ID = p.nextID, p.nextID
	p.pending[a.id] = a
	p.stepLocked(in)
	p.drain()
	return nil
}

func (p *Partition) closedError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Limits of what waits in a queue of Enqueue. A coordinator's requests are bounded
// by its driver long before.
const (
	maxQueuedAppends = 4096
	maxQueuedBytes   = 64 << 20
)

// appendQueue is what Enqueue was given and has not appended. Guarded by mu.
type appendQueue struct {
	items   []queued
	bytes   int
	running bool
}

type queued struct {
	batches []byte
	o       AppendOptions
	done    func(Result, error)
}

// Enqueue appends in the order of the calls, from a goroutine of its own, and calls
// done exactly once, from any goroutine: when the append is acknowledged, or with
// why not; only a *meta.Refusal that is not NOT_LEADER_OR_FOLLOWER says that nothing
// was appended. It does not block, so that cores may call it, and keeps batches
// until then. done must not block.
func (p *Partition) Enqueue(batches []byte, o AppendOptions, done func(Result, error)) {
	p.mu.Lock()
	err := p.closed
	if q := &p.queue; err == nil && (len(q.items) >= maxQueuedAppends || q.bytes+len(batches) > maxQueuedBytes) {
		err = refuse(kerr.ThrottlingQuotaExceeded, "%s/%d: %d appends wait already", p.name, p.index, len(q.items))
	}
	if err != nil {
		p.mu.Unlock()
		done(Result{BaseOffset: -1, LastOffset: -1, AppendTimeMs: -1}, err)
		return
	}
	p.queue.items = append(p.queue.items, queued{batches, o, done})
	p.queue.bytes += len(batches)
	if !p.queue.running {
		p.queue.running = true
		p.work.Go(p.runQueue)
	}
	p.mu.Unlock()
}

// runQueue appends what is queued and ends when nothing is.
func (p *Partition) runQueue() {
	for {
		p.mu.Lock()
		items := p.queue.items
		p.queue.items, p.queue.bytes = nil, 0
		if len(items) == 0 {
			p.queue.running = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		for _, q := range items {
			p.appendQueued(q)
		}
	}
}

func (p *Partition) appendQueued(q queued) {
	a := &Pending{p: p, done: q.done}
	var err error
	select {
	case p.gate <- struct{}{}:
		err = p.append(a, q.batches, q.o)
		<-p.gate
	case <-p.gone:
		err = p.closedError()
	}
	if err != nil {
		a.settle(err)
	}
}

// WaitCommitted returns when the high watermark has reached offset, or with the
// reason why this node cannot tell.
func (p *Partition) WaitCommitted(ctx context.Context, offset int64) error {
	woken := make(chan struct{})
	w := p.Watch(offset-1, ReadUncommitted, func() { close(woken) })
	defer w.Stop()
	select {
	case <-woken:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.HighWatermark() < offset {
		return p.closedError()
	}
	return nil
}
