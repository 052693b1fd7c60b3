package storage

import (
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// committer turns appended into durable, for all logs of a disk.
//
// The simple way syncs in every append: a disk does some thousand syncs a second,
// so a thousand appends would wait in line. Instead one loop runs rounds. A round
// takes every log that was written to since the last one, syncs their files side
// by side, and then tells who waits; what is appended meanwhile waits for the next
// round, which is as long as the disk needs and no longer.
//
//  1. A round's target of a log is its end when the round began; nothing above it
//     counts as durable, although the sync may have covered it.
//  2. Nothing of a round counts unless all of it was synced: after one failure no
//     log is acknowledged any more, and no sync is repeated (the kernel may have
//     dropped the pages that it could not write).
//  3. Callbacks and wake-ups come from this loop only, so they are in order.
type committer struct {
	d    *Disk
	wake chan struct{} // of capacity 1
	quit chan struct{}
	done chan struct{}

	mu    sync.Mutex
	queue []*Log // guarded by mu: logs with something to sync or to tell, each once
}

func startCommitter(d *Disk) *committer {
	c := &committer{d: d, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
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
	if !l.queued {
		l.queued = true
		c.queue = append(c.queue, l)
	}
	c.mu.Unlock()
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

// syncJob is what one round does for one log.
type syncJob struct {
	log      *Log
	target   int64      // the log's end
	active   vfs.File   // to sync, nil if clean
	finished []vfs.File // to sync and close: segments that were rolled
	dir      bool       // a file was made
}

func (c *committer) round() {
	c.mu.Lock()
	logs := c.queue
	c.queue = nil
	for _, l := range logs {
		l.queued = false
	}
	c.mu.Unlock()
	if len(logs) == 0 || c.d.Err() != nil {
		return
	}
	jobs := make([]syncJob, 0, len(logs))
	for _, l := range logs {
		if l.syncing.tryLock() { // else Truncate or Close has it, and queues the log again
			jobs = append(jobs, l.takeDirty())
		}
	}
	err := syncFiles(c.d.o.FS, jobs, c.d.o.SyncParallel)
	for i := range jobs {
		if err == nil {
			jobs[i].log.commit(&jobs[i])
		}
		jobs[i].log.syncing.unlock()
	}
	if err != nil {
		_ = c.d.fail(err) // everyone learns it from Disk.Err
		return
	}
	for i := range jobs {
		jobs[i].log.announce()
	}
}

// syncFiles syncs all files of some jobs, several at a time: a disk orders
// parallel syncs better than a loop does.
func syncFiles(fsys vfs.FS, jobs []syncJob, parallel int) error {
	var calls []func() error
	for i := range jobs {
		j := &jobs[i]
		if j.active != nil {
			calls = append(calls, func() error { return syncFile(j.active) })
		}
		for _, f := range j.finished {
			calls = append(calls, func() error {
				if err := syncFile(f); err != nil {
					return err
				}
				return f.Close()
			})
		}
		if j.dir {
			calls = append(calls, func() error {
				if err := fsys.SyncDir(j.log.dir); err != nil {
					return fmt.Errorf("sync directory %s: %w", j.log.dir, err)
				}
				return nil
			})
		}
	}
	return runAll(calls, parallel)
}

func syncFile(f vfs.File) error {
	if err := f.SyncData(); err != nil {
		return fmt.Errorf("sync segment %s: %w", path.Base(f.Name()), err)
	}
	return nil
}

// runAll makes all calls, some at a time, and returns the first error.
func runAll(calls []func() error, parallel int) error {
	if len(calls) == 1 {
		return calls[0]()
	}
	var next atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	for range min(parallel, len(calls)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(calls)) && first.Load() == nil; i = next.Add(1) - 1 {
				if err := calls[i](); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}
