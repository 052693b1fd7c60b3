package storage

import (
	"fmt"
	"sync"
	"time"
)

// committer turns appended into durable, for all logs of a disk.
//
// The simple way syncs in every append: a disk does some thousand syncs a second,
// so a thousand appends would wait in line. Instead one loop runs rounds. A round
// takes every log that was written to since the last one, makes what was appended
// durable, and then tells who waits; what is appended meanwhile waits for the next
// round, which is as long as the disk needs and no longer.
//
// There are two ways to make it durable. Segments can be synced, side by side,
// which costs by their number; or all that was appended can be written to the
// journal and synced once, which costs by its size and has the segments synced
// later. A round takes the cheaper way (see journal.takes); logs with appends that
// are too large for the journal have their segments synced in any round.
//
//  1. A round's target of a log is its end when the round began; nothing above it
//     counts as durable, although the sync may have covered it.
//  2. Nothing of a round counts unless all of it was synced: after one failure no
//     log is acknowledged any more, and no sync is repeated (the kernel may have
//     dropped the pages that it could not write). The disk has failed before the lock
//     of a log whose sync did is free: it is not dirty any more, but not synced.
//  3. Callbacks and wake-ups come from this loop only, so they are in order.
//  4. The loop waits for no lock of a log that is held across I/O. What it cannot
//     lock it passes over, and who held it queues the log again.
//  5. A log's entries in a record go on where the durable part of the log ends. What
//     comes after appends that were passed over has its segment synced with them.
type committer struct {
	d       *Disk
	journal *journal      // nil: under the policies that do not wait for the disk
	wake    chan struct{} // of capacity 1
	quit    chan struct{}
	done    chan struct{}

	mu         sync.Mutex
	queue      []*Log       // guarded by mu: logs with something to sync or to tell, each once
	staged     staging      // guarded by mu: what the next round may write to the journal
	stageLimit int          // guarded by mu: bytes of staged
	forgets    []forgetting // guarded by mu

	idle staging // of the loop: the memory that staged gets next
}

func startCommitter(d *Disk, j *journal) *committer {
	c := &committer{
		d: d, journal: j, stageLimit: maxStagedIdle,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if j != nil {
		c.stageLimit = min(maxStagedIdle, j.limit)
	}
	go c.loop()
	return c
}

// stop ends the loop after a last round.
func (c *committer) stop() {
	close(c.quit)
	<-c.done
}

// add queues a log for the next round.
func (c *committer) add(l *Log) {
	c.mu.Lock()
	c.enqueue(l)
	c.mu.Unlock()
	c.poke()
}

// enqueue needs mu.
func (c *committer) enqueue(l *Log) {
	if !l.queued {
		l.queued = true
		c.queue = append(c.queue, l)
	}
}

// poke has a round begin.
func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) loop() {
	defer close(c.done)
	var tick <-chan time.Time
	if c.d.o.Policy == Interval {
		t := time.NewTicker(c.d.o.SyncInterval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-c.quit:
			c.round()
			return
		case <-c.wake:
			c.round()
		case <-tick:
			for _, l := range c.d.openLogs() {
				l.wantSync()
			}
			c.round()
		}
	}
}

// round is what one turn of the loop deals with.
type round struct {
	logs    []roundLog
	forgets []forgetting
	rec     staging // entries of the logs; with the journal it becomes the record
}

// roundLog is a log in a round.
type roundLog struct {
	log        *Log
	stagedBase int64 // where the log ended before its entries in the record
	stagedEnd  int64 // the end of them, -1 if it has none
	unstaged   bool  // it has appends that are not in the record
}

// take is everything that has come since the last round.
func (c *committer) take() round {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := round{forgets: c.forgets, rec: c.staged}
	if len(c.queue) > 0 {
		r.logs = make([]roundLog, 0, len(c.queue))
	}
	for _, l := range c.queue {
		r.logs = append(r.logs, roundLog{l, l.stagedBase, l.stagedEnd, l.unstaged})
		l.queued, l.stagedEnd, l.unstaged = false, -1, false
	}
	clear(c.queue)
	c.queue, c.forgets, c.staged, c.idle = c.queue[:0], nil, c.idle, staging{}
	return r
}

// finish gives the round's memory back, and looks ahead at how much of it the next
// ones may use.
func (c *committer) finish(r *round) {
	r.rec.reset()
	c.idle = r.rec
	limit := maxStagedIdle
	if c.journal.staying {
		limit = maxStaged
	} else if cap(c.idle.buf) > maxStagedIdle*2 {
		c.idle = staging{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stageLimit = min(limit, c.journal.limit)
}

func (c *committer) round() {
	r := c.take()
	if err := c.d.Err(); err != nil {
		answer(r.forgets, err)
		return
	}
	if len(r.logs) == 0 && len(r.forgets) == 0 {
		return
	}
	began := time.Now()
	journaled, record, err := c.record(&r)
	if err != nil {
		_ = c.d.fail(err) // everyone learns it from Disk.Err
		answer(r.forgets, c.d.Err())
		return
	}
	jobs := c.lock(&r, journaled)
	calls := syncCalls(c.d.o.FS, jobs)
	if record {
		calls = append(calls, c.journal.sync)
	}
	if err = runAll(calls, c.d.o.SyncParallel); err != nil {
		_ = c.d.fail(err)
	}
	err = c.d.Err() // or what a sync beside the round has said since it began
	for i := range jobs {
		if err == nil {
			jobs[i].log.commit(&jobs[i])
		}
		jobs[i].log.syncing.unlock()
	}
	if err != nil {
		answer(r.forgets, err)
		return
	}
	if journaled {
		wanted := false
		for i := range r.logs {
			wanted = r.logs[i].log.commitJournaled(r.logs[i].stagedEnd, c.journal.round, began) || wanted
		}
		if c.d.settle.resting.CompareAndSwap(true, false) || wanted {
			c.d.settle.poke()
		}
	}
	if record {
		c.journal.synced()
	}
	if len(calls) > 0 {
		c.d.counted.synced(journaled, time.Since(began))
	}
	for i := range r.logs {
		r.logs[i].log.announce()
	}
	answer(r.forgets, nil)
	if c.journal != nil {
		c.finish(&r)
	}
}

// record decides how the round is made durable, and writes what of it goes to the
// journal: the appends, what voids earlier ones, or nothing.
func (c *committer) record(r *round) (journaled, record bool, err error) {
	j := c.journal
	if j == nil {
		return false, false, nil
	}
	r.connect()
	staged := 0
	for i := range r.logs {
		if r.logs[i].stagedEnd >= 0 && !r.logs[i].unstaged {
			staged++
		}
	}
	if journaled = j.takes(staged); journaled {
		j.voids(&r.rec, r.forgets, r.logs)
		if record, err = j.put(&r.rec); record || err != nil {
			j.noteLive(r.logs)
			return record, record, err
		}
	}
	r.rec.reset()
	j.voids(&r.rec, r.forgets, nil)
	if r.rec.count == 0 {
		return false, false, nil
	}
	record, err = j.put(&r.rec)
	if !record && err == nil {
		c.postpone(r)
	}
	return false, record, err
}

// connect takes the entries out of the record that do not go on where their log's
// durable part ends. There are some after the loop has passed over a log with
// appends that were not staged, if others came between it taking the log and
// trying its lock.
func (r *round) connect() {
	var apart map[TopicPartition]bool // nil but then
	for i := range r.logs {
		l := &r.logs[i]
		if l.stagedEnd < 0 || l.stagedBase <= l.log.Durable() {
			continue
		}
		if apart == nil {
			apart = map[TopicPartition]bool{}
		}
		apart[l.log.id] = true
		l.stagedEnd, l.unstaged = -1, true
	}
	if apart != nil {
		r.rec.remove(apart)
	}
}

// postpone has those who wait for the journal wait for the next round: it has no
// room now, and the settler makes some. Without a journal that can be written they
// wait for space.
func (c *committer) postpone(r *round) {
	if c.journal.broken {
		answer(r.forgets, fmt.Errorf("%w: the journal of %s cannot be written: make room and restart the node", ErrFull, c.d.o.Dir))
	} else {
		c.mu.Lock()
		c.forgets = append(r.forgets, c.forgets...)
		c.mu.Unlock()
		c.d.settle.starved.Store(true)
		c.d.settle.poke()
	}
	r.forgets = nil
}

// lock takes hold of the logs whose segments the round syncs: all, or, beside the
// journal, those with appends that are not in it.
func (c *committer) lock(r *round, journaled bool) []syncJob {
	var jobs []syncJob
	for i := range r.logs {
		l := &r.logs[i]
		if journaled && !l.unstaged {
			continue
		}
		if l.log.syncing.tryLock() {
			jobs = append(jobs, l.log.takeDirty())
		} else if l.unstaged || l.stagedEnd >= 0 {
			// Truncate, Close or the settler has it, and queues it again. What is staged
			// of it by then does not connect.
			c.mu.Lock()
			l.log.unstaged = true
			c.mu.Unlock()
		}
	}
	return jobs
}
