package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Isolation says which records a fetch sees.
type Isolation int8

// The isolation levels.
const (
	ReadUncommitted Isolation = 0
	ReadCommitted   Isolation = 1
)

// maxPartitionBytes is the most that a partition is asked for when a single
// batch does not fit into PartitionMaxBytes. Kafka sends the first batch whatever
// its size; this bounds what a broker that does not may make us ask for.
const maxPartitionBytes = 256 << 20

// FetcherOptions are a Fetcher's; the zero value reads uncommitted.
type FetcherOptions struct {
	Isolation Isolation
	// MaxWait is how long a broker waits for data before it answers with none;
	// default 100 ms. It bounds how late a new cursor joins the fetches.
	MaxWait time.Duration
	// PartitionMaxBytes of one partition in one response; default 1 MiB.
	PartitionMaxBytes int32
	// MaxBytes of one response; default 16 MiB.
	MaxBytes int32
	// BufferBytes that may be fetched and not taken yet, over all cursors; default
	// 64 MiB. A cursor with nothing buffered is fetched for nevertheless, so that
	// the bound is BufferBytes + cursors x PartitionMaxBytes.
	BufferBytes int64
	// DecompressBytes is the most that one batch may expand to; default 64 MiB.
	DecompressBytes int64
}

func (o *FetcherOptions) defaults() {
	o.MaxWait = orDefault(o.MaxWait, 100*time.Millisecond)
	o.PartitionMaxBytes = orDefault(o.PartitionMaxBytes, 1<<20)
	o.MaxBytes = orDefault(o.MaxBytes, 16<<20)
	o.BufferBytes = orDefault(o.BufferBytes, 64<<20)
	o.DecompressBytes = orDefault(o.DecompressBytes, 64<<20)
}

// Fetcher reads many partitions, each through a Cursor.
//
// The simple way is a goroutine and a fetch per partition; with a hundred
// partitions that is a hundred long polls per broker. Instead one loop per broker
// keeps one Fetch in flight for all cursors whose leader it is, ahead of their
// readers, and spreads the answer over their queues.
//
//  1. A cursor has at most one fetch in flight; its queue is in offset order and
//     without gaps: the From of each element is the Next of the one before.
//  2. What a fetch that was sent before SeekTo brings is dropped.
//  3. A cursor is fetched for only while it has room (see BufferBytes), is not
//     paused and has a known leader.
//  4. While a partition waits for room, the fetches for its broker poll only
//     briefly, because the room may appear at any moment and a second Fetch would
//     stand behind the first on the same connection.
//
// A Fetcher may be used concurrently; a Cursor by one goroutine at a time.
type Fetcher struct {
	c      *Client
	o      FetcherOptions
	ctx    context.Context // ends at Close; the loops' lifetime, not a call's
	cancel context.CancelFunc
	wg     sync.WaitGroup

	locate chan struct{} // wakes the locator; capacity 1
	wake   chan struct{} // wakes Next; capacity 1

	mu sync.Mutex
	// The rest is guarded by mu.
	cursors  map[TopicPartition]*Cursor
	loops    map[int32]*fetchLoop
	buffered int64
	ready    []*Cursor // with something to take, in order of arrival
	closed   bool
}

// NewFetcher makes a fetcher. Close it.
func (c *Client) NewFetcher(o FetcherOptions) *Fetcher {
	o.defaults()
	f := &Fetcher{
		c: c, o: o,
		locate:  make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		cursors: map[TopicPartition]*Cursor{},
		loops:   map[int32]*fetchLoop{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.wg.Go(f.runLocator)
	return f
}

// Open starts to read a partition at an offset. A partition can be open once in
// a Fetcher; a second Cursor of it fails at its first Next.
func (f *Fetcher) Open(tp TopicPartition, offset int64) *Cursor {
	c := &Cursor{Partition: tp, f: f, next: offset, taken: offset, leader: -1, signal: make(chan struct{}, 1), maxBytes: f.o.PartitionMaxBytes}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		c.fail(ErrClosed)
	case f.cursors[tp] != nil:
		c.fail(fmt.Errorf("%s is open already in this fetcher", tp))
	default:
		f.cursors[tp] = c
		notify(f.locate)
	}
	return c
}

// Next waits for the next data of any cursor, or its error (then with a nil
// Fetched and the cursor that failed), or ctx (then with a nil Cursor).
func (f *Fetcher) Next(ctx context.Context) (*Cursor, *Fetched, error) {
	for {
		if c, got, err, ok := f.takeAny(); ok {
			return c, got, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (f *Fetcher) takeAny() (*Cursor, *Fetched, error, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, ErrClosed, true
	}
	for len(f.ready) > 0 {
		c := f.ready[0]
		f.ready = f.ready[1:]
		c.listed = false
		if c.closed {
			continue
		}
		if got, err, ok := c.take(); ok {
			if len(f.ready) > 0 {
				notify(f.wake)
			}
			return c, got, err, true
		}
	}
	return nil, nil, nil, false
}

// Close ends all cursors and waits for requests in flight. It may be called
// twice.
func (f *Fetcher) Close() error {
	f.mu.Lock()
	f.closed = true
	for _, c := range f.cursors {
		c.fail(ErrClosed)
	}
	notify(f.wake)
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
	return nil
}

// runLocator finds the leaders of cursors that have none, each after its own
// pause.
func (f *Fetcher) runLocator() {
	for {
		pause := f.locateDue()
		timer := time.NewTimer(pause)
		select {
		case <-f.locate:
		case <-timer.C:
		case <-f.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// idleLocator is how long the locator sleeps when nothing is lost.
const idleLocator = time.Hour

// locateDue looks for the leaders of the cursors whose pause is over, and returns
// how long to sleep.
func (f *Fetcher) locateDue() time.Duration {
	due, pause := f.lost()
	for _, c := range due {
		t, err := f.leaderOf(c)
		f.mu.Lock()
		switch {
		case c.closed || c.err != nil:
		case errors.Is(err, ErrUnknownTopic) && c.losses.n < unknownTopicTries:
			pause = min(pause, c.pause()) // a broker may hear of a new topic late
		case err != nil && !transient(f.ctx, err):
			c.fail(err)
		case err != nil || !f.settle(c, t):
			pause = min(pause, c.pause())
		}
		f.mu.Unlock()
	}
	return pause
}

// lost is the cursors without a leader whose pause is over, and the time until
// the next one's is.
func (f *Fetcher) lost() (due []*Cursor, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pause = idleLocator
	for _, c := range f.cursors {
		if c.leader >= 0 || c.err != nil {
			continue
		}
		if left := time.Until(c.retryAt); left > 0 {
			pause = min(pause, left)
		} else {
			due = append(due, c)
		}
	}
	return due, pause
}

// leaderOf asks for fresh metadata if what is cached is what failed the cursor.
func (f *Fetcher) leaderOf(c *Cursor) (*Topic, error) {
	f.mu.Lock()
	stale := c.stale
	f.mu.Unlock()
	if stale == nil {
		return f.c.topic(f.ctx, c.Partition.Topic)
	}
	return f.c.refresh(f.ctx, c.Partition.Topic, stale)
}

// settle gives a cursor its leader; false if there is none now. f.mu is held.
func (f *Fetcher) settle(c *Cursor, t *Topic) bool {
	p, err := t.partition(c.Partition.Partition)
	if err != nil {
		c.fail(err)
		return true
	}
	if c.topicID != ([16]byte{}) && c.topicID != t.ID {
		c.fail(fmt.Errorf("%s: %w; its position %d belongs to the topic that was deleted", c.Partition, ErrTopicRecreated, c.next))
		return true
	}
	if p.Leader < 0 {
		c.stale = t
		return false
	}
	c.topicID, c.leader, c.epoch, c.stale = t.ID, p.Leader, p.LeaderEpoch, t
	loop := f.loops[p.Leader]
	if loop == nil {
		loop = &fetchLoop{f: f, broker: p.Leader, wake: make(chan struct{}, 1)}
		f.loops[p.Leader] = loop
		f.wg.Go(loop.run)
	}
	notify(loop.wake)
	return true
}

// notify wakes a goroutine that waits on a channel of capacity 1.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
