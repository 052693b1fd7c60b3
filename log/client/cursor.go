package client

import (
	"context"
	"time"
)

// staleAfter is how long past the long poll an answer about the end of the log
// is believed; a broker that hangs is not an idle partition.
const staleAfter = 2 * time.Second

// Cursor is a position in one partition. One goroutine at a time calls its
// methods.
type Cursor struct {
	Partition TopicPartition

	f      *Fetcher
	signal chan struct{} // wakes Next; capacity 1

	// The rest is guarded by f.mu.
	next     int64 // offset of the next fetch
	taken    int64 // Next of the last Fetched that was taken
	queue    []*Fetched
	queued   int64 // bytes in queue
	life     int   // counts SeekTo, so that older fetches are told apart
	inFlight bool
	maxBytes int32 // PartitionMaxBytes, more while a batch does not fit
	paused   bool
	closed   bool
	listed   bool // stands in f.ready
	err      error

	topicID [16]byte
	leader  int32  // -1: lost, the locator looks for it
	epoch   int32  // of the leader
	stale   *Topic // the metadata that named the leader
	losses  backoff
	retryAt time.Time // when the locator looks again

	end    int64     // high watermark of the last answer
	seenAt time.Time // when; zero while fetches fail
}

// Fetched is a stretch of one partition. It is immutable and may be kept.
type Fetched struct {
	Partition TopicPartition
	From      int64 // the position before; Records skips what is below
	Next      int64 // the position after everything here
	// Batches are whole record batches v2, checked, perhaps compressed. Control
	// batches are left out and, under ReadCommitted, those of aborted transactions.
	Batches       [][]byte
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	AtEnd         bool // Next is the high watermark
	Bytes         int  // of the record data received for it

	decompressBytes int64
}

// Next waits for the next part of the partition or ctx. A result may hold no
// records: a fetch has seen the end, or the position has passed markers or
// aborted records. An error other than ctx's ends the cursor:
// *OffsetOutOfRangeError (go on with SeekTo), ErrTopicRecreated, ErrUnknownTopic,
// a batch that is corrupt or of an old format, no right to read.
func (c *Cursor) Next(ctx context.Context) (*Fetched, error) {
	for {
		c.f.mu.Lock()
		got, err, ok := c.take()
		c.f.mu.Unlock()
		if ok {
			return got, err
		}
		select {
		case <-c.signal:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// TryNext is Next without waiting; ok is false if there is nothing to take.
func (c *Cursor) TryNext() (got *Fetched, ok bool, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	got, err, ok = c.take()
	return got, ok, err
}

// take removes the head of the queue; f.mu is held.
func (c *Cursor) take() (*Fetched, error, bool) {
	if len(c.queue) == 0 {
		return nil, c.err, c.err != nil
	}
	got := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	c.queued -= int64(got.Bytes)
	c.f.buffered -= int64(got.Bytes)
	c.taken = got.Next
	if len(c.queue) > 0 || c.err != nil {
		c.list()
	}
	if loop := c.f.loops[c.leader]; loop != nil && !c.inFlight && c.wanted() {
		notify(loop.wake)
	}
	return got, nil, true
}

// push adds what a fetch brought; f.mu is held. An element without records
// replaces one like it, so that a cursor that nobody reads does not grow.
func (c *Cursor) push(got *Fetched) {
	if n := len(c.queue); n > 0 && len(got.Batches) == 0 && len(c.queue[n-1].Batches) == 0 {
		got.From = c.queue[n-1].From
		c.queue[n-1] = got
	} else {
		c.queue = append(c.queue, got)
		c.queued += int64(got.Bytes)
		c.f.buffered += int64(got.Bytes)
	}
	c.next = got.Next
	c.list()
}

// list announces that there is something to take; f.mu is held.
func (c *Cursor) list() {
	notify(c.signal)
	if !c.listed {
		c.listed = true
		c.f.ready = append(c.f.ready, c)
	}
	notify(c.f.wake)
}

// fail ends the cursor with an error once its queue is taken; f.mu is held.
func (c *Cursor) fail(err error) {
	if c.err == nil {
		c.err = err
		c.seenAt = time.Time{}
		c.list()
	}
}

// lose sends the cursor back to the locator; f.mu is held.
func (c *Cursor) lose() {
	c.leader, c.seenAt = -1, time.Time{}
	c.pause()
	notify(c.f.locate)
}

// pause puts the next look for a leader off; f.mu is held. It grows until a fetch
// succeeds.
func (c *Cursor) pause() time.Duration {
	d := c.losses.next()
	c.retryAt = time.Now().Add(d)
	return d
}

// wanted says whether the cursor has room for a fetch; f.mu is held.
func (c *Cursor) wanted() bool {
	if c.paused || c.err != nil || c.closed {
		return false
	}
	return c.queued == 0 || (c.queued < int64(c.maxBytes) && c.f.buffered < c.f.o.BufferBytes)
}

// AtEnd says whether everything up to the high watermark has been taken, as a
// recent fetch saw it; false when fetches fail, hang or have not begun.
func (c *Cursor) AtEnd() bool {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return !c.seenAt.IsZero() && time.Since(c.seenAt) <= c.f.o.MaxWait+staleAfter && c.taken >= c.end
}

// Position is the offset after everything that Next has returned.
func (c *Cursor) Position() int64 {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return c.taken
}

// SeekTo drops what is buffered and any error of the position, and goes on at
// offset.
func (c *Cursor) SeekTo(offset int64) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.drop()
	c.life++
	c.next, c.taken, c.seenAt = offset, offset, time.Time{}
	if _, ok := c.err.(*OffsetOutOfRangeError); ok {
		c.err = nil
	}
	c.nudge()
}

// Pause stops fetching for this partition; what is buffered stays.
func (c *Cursor) Pause() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.paused = true
	c.seenAt = time.Time{}
}

// Resume ends Pause.
func (c *Cursor) Resume() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.paused = false
	c.nudge()
}

// Close ends the cursor and frees what is buffered. It may be called twice.
func (c *Cursor) Close() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.closed {
		return
	}
	c.drop()
	c.fail(ErrClosed)
	c.closed = true
	if c.f.cursors[c.Partition] == c {
		delete(c.f.cursors, c.Partition)
	}
}

// drop empties the queue; f.mu is held.
func (c *Cursor) drop() {
	c.f.buffered -= c.queued
	c.queue, c.queued = nil, 0
}

// nudge makes the loop look at the cursor again; f.mu is held.
func (c *Cursor) nudge() {
	if loop := c.f.loops[c.leader]; loop != nil {
		notify(loop.wake)
	}
}
