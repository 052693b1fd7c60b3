package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is what a Handle gives after it, or its Driver, was closed: whether a
// request that was under way happened is not known.
var ErrClosed = errors.New("core closed")

// ErrBusy means that the core has as many duties under way, or its shard as many
// inputs waiting, as it may. Nothing has happened; try again later.
var ErrBusy = errors.New("core busy")

// Host carries out the duties of one core on a Driver. Its methods are called on
// the shard's goroutine, so they must not block: they start the work and return.
// Callbacks may be called at once or later and from any goroutine; after the
// Handle is closed they do nothing.
type Host interface {
	// Append adds a batch to the core's log partition and calls done once, when it
	// is committed or has failed.
	Append(a Append, done func(Done))
	// Propose adds records to the metadata log and calls done once.
	Propose(p Propose, done func(Done))
	// Send delivers a message. If s.Token is not 0 it calls answer at most once,
	// with a Done or with the peer's message.
	Send(s Send, answer func(Input))
	// Do carries out Install and duties of the core's own types.
	Do(duty any)
	// Reset is the last call: an Append failed, the Handle is closed and every
	// waiting request was answered with err. The host builds a new core from what
	// is committed, elsewhere, and adds it to the driver.
	Reset(err error)
}

// DriverOptions configure a Driver. The zero value is good.
type DriverOptions struct {
	// Shards is the number of goroutines; 0 is 4.
	Shards int
	// Mailbox is how many inputs wait in a shard before Submit blocks; 0 is 256.
	Mailbox int
	// MaxInFlight is how many Appends and Proposes of one core are under way before
	// new inputs for it get ErrBusy; 0 is 1024. It bounds what a core whose log
	// stands still can pile up without holding up the others of its shard.
	MaxInFlight int
}

func (o *DriverOptions) setDefaults() {
	if o.Shards <= 0 {
		o.Shards = 4
	}
	if o.Mailbox <= 0 {
		o.Mailbox = 256
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 1024
	}
}

// Driver runs cores on a fixed number of goroutines.
//
// A goroutine per core would be simplest, but a node has thousands of partitions
// and most of them sleep. One goroutine for all would be exact, but one core of
// fifty would have the machine. So a fixed number of shards, each core bound to one:
//
//  1. A core belongs to its shard's goroutine; nothing else touches it.
//  2. A shard never blocks: hosts only start work. So a full mailbox empties, and
//     Submit, which blocks on it, cannot deadlock with the disk.
//  3. Completions (Done, answers) never wait for room in the mailbox. What bounds
//     them is MaxInFlight: requests are refused while a core has that many under way.
//  4. Inputs of one goroutine to one core are stepped in the order of its calls.
//  5. Every Call ends: with the core's Reply, its failure, ctx, or ErrClosed.
//
// now, as cores see it, is the time since the Driver was made.
type Driver struct {
	opts   DriverOptions
	start  time.Time
	shards []*shard
	nextID atomic.Uint64
	stop   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

// NewDriver starts a Driver. Close ends it.
func NewDriver(o DriverOptions) *Driver {
	o.setDefaults()
	d := &Driver{opts: o, start: time.Now(), stop: make(chan struct{})}
	for range o.Shards {
		s := newShard(d)
		d.shards = append(d.shards, s)
		d.wg.Go(s.run)
	}
	return d
}

// Now is the time that cores are given.
func (d *Driver) Now() time.Duration { return time.Since(d.start) }

// Add hands a core over to the shard of key (the same key is always the same
// shard). From here on only the driver steps it. The first input is a Tick, so
// that the core can say when it wants to wake.
func (d *Driver) Add(key uint64, c Core, h Host) *Handle {
	hd := &Handle{driver: d, shard: d.shards[key%uint64(len(d.shards))], host: h,
		calls: map[uint64]chan<- answer{}, gone: make(chan struct{})}
	hd.runner = NewRunner(c, (*handleExecutor)(hd))
	hd.timer.index = -1
	hd.shard.complete(envelope{hd, Tick{}})
	return hd
}

// Close stops the shards and answers every waiting Call with ErrClosed. Cores are
// not told: what they hold that is not committed was never promised. It may be
// called twice, but not from a Host.
func (d *Driver) Close() {
	d.once.Do(func() { close(d.stop) })
	d.wg.Wait()
}

// Handle is one core on a Driver. It may be used concurrently.
type Handle struct {
	driver *Driver
	shard  *shard
	host   Host

	// Owned by the shard's goroutine.
	runner *Runner
	timer  timerEntry

	inFlight atomic.Int64

	mu     sync.Mutex
	calls  map[uint64]chan<- answer // requests that wait for a Reply
	closed error                    // why no call is taken any more

	gone chan struct{} // closed when the shard has let go of the core
}

type answer struct {
	response any
	err      error
}

// Submit gives the core an input that nobody waits for. It blocks while the
// shard's mailbox is full.
func (h *Handle) Submit(ctx context.Context, in Input) error {
	if err := h.admit(); err != nil {
		return err
	}
	select {
	case h.shard.inbox <- envelope{h, in}:
		return nil
	case <-h.gone:
		return h.closedError()
	case <-h.driver.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TrySubmit is Submit that gives ErrBusy instead of blocking.
func (h *Handle) TrySubmit(in Input) error {
	if err := h.admit(); err != nil {
		return err
	}
	select {
	case h.shard.inbox <- envelope{h, in}:
		return nil
	default:
		return ErrBusy
	}
}

// Deliver gives the core an input that is never refused and never waits, in order
// with completions: for what only the Host knows and cannot hold back, like the
// loss of leadership. Nothing bounds these, so they must be few.
func (h *Handle) Deliver(in Input) { h.shard.complete(envelope{h, in}) }

// Call gives the core a request and waits for its Reply. request builds the input
// around the id that the core's Reply must name. If ctx ends first, the request
// may still happen.
func (h *Handle) Call(ctx context.Context, request func(id uint64) Input) (any, error) {
	id := h.driver.nextID.Add(1)
	ch := make(chan answer, 1)
	h.mu.Lock()
	if h.closed != nil {
		h.mu.Unlock()
		return nil, h.closed
	}
	h.calls[id] = ch
	h.mu.Unlock()
	if err := h.Submit(ctx, request(id)); err != nil {
		h.take(id)
		return nil, err
	}
	select {
	case a := <-ch:
		return a.response, a.err
	case <-h.driver.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		h.take(id)
		return nil, ctx.Err()
	}
}

// Close takes the core off the driver: waiting Calls get ErrClosed, and when Close
// returns no method of the Host runs or will. It may be called twice, but not from
// the Host.
func (h *Handle) Close() {
	h.shard.complete(envelope{h, closeInput{}})
	select {
	case <-h.gone:
	case <-h.driver.stop:
		h.driver.wg.Wait()
	}
}

// closeInput asks the shard to let go of a core.
type closeInput struct{}

func (h *Handle) admit() error {
	if h.inFlight.Load() >= int64(h.driver.opts.MaxInFlight) {
		return fmt.Errorf("%w: %d appends and proposals under way", ErrBusy, h.inFlight.Load())
	}
	select {
	case <-h.gone:
		return h.closedError()
	default:
		return nil
	}
}

func (h *Handle) closedError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed == nil {
		return ErrClosed
	}
	return h.closed
}

// take removes and returns the waiter of a request, nil if nobody waits.
func (h *Handle) take(id uint64) chan<- answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.calls[id]
	delete(h.calls, id)
	return ch
}

// letGo ends the handle; on the shard's goroutine.
func (h *Handle) letGo(cause error) {
	h.mu.Lock()
	if h.closed != nil {
		h.mu.Unlock()
		return
	}
	h.closed = cause
	waiting := h.calls
	h.calls = nil
	h.mu.Unlock()
	for _, ch := range waiting {
		ch <- answer{err: cause}
	}
	close(h.gone)
}
