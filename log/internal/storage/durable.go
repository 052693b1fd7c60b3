package storage

import (
	"context"
	"fmt"
	"time"
)

// Durable is the end of what survives a power cut, by the disk's policy.
func (l *Log) Durable() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// WaitDurable waits until Durable() >= offset. It fails if ctx is done, the log
// is closed or truncated below offset, or the disk fails.
func (l *Log) WaitDurable(ctx context.Context, offset int64) error {
	return l.wait(ctx, offset, false)
}

// wait waits for durable, or for synced.
func (l *Log) wait(ctx context.Context, offset int64, synced bool) error {
	l.mu.Lock()
	reached, list := l.durable, &l.durableWaits
	if synced {
		reached, list = l.synced, &l.syncedWaits
	}
	err := l.usable()
	switch {
	case err != nil || reached >= offset:
		l.mu.Unlock()
		return err
	case offset > l.end:
		l.mu.Unlock()
		return fmt.Errorf("wait for %v to reach offset %d: %w: it ends at %d", l.id, offset, ErrOffsetOutOfRange, l.end)
	}
	done := list.add(offset)
	l.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		list.remove(done)
		return ctx.Err()
	}
}

// OnDurable has f called after every rise of Durable, from the disk's commit loop:
// one call at a time, in order, several rises perhaps as one. f must not block nor
// call Close. There is one f; nil removes it. It is not called for what was
// durable before.
func (l *Log) OnDurable(f func(durable int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onDurable = f
}

// announce tells who waits that durable has risen. Only the commit loop calls it.
func (l *Log) announce() {
	l.mu.Lock()
	if l.durable <= l.announced || l.broken != nil {
		l.mu.Unlock()
		return
	}
	l.announced = l.durable
	l.durableWaits.reached(l.durable)
	f, durable := l.onDurable, l.durable
	l.mu.Unlock()
	if f != nil {
		f(durable)
	}
}

// takeDirty is the log's part of a commit round. Needs syncing.
func (l *Log) takeDirty() syncJob {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := syncJob{log: l, target: -1, at: time.Now()}
	if l.disk.o.Policy != Always && !l.syncWanted {
		return j
	}
	j.target, j.finished, j.dir = l.end, l.finished, l.dirDirty
	if l.disk.journal != nil {
		j.round = l.disk.journal.done.Load() + 1
	}
	if l.activeDirty {
		j.active = l.active
	}
	l.syncWanted, l.activeDirty, l.dirDirty, l.finished = false, false, false, nil
	return j
}

// commit takes the result of a round that went well. Needs syncing.
func (l *Log) commit(j *syncJob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.target < 0 {
		return
	}
	l.synced = max(l.synced, j.target)
	l.durable = max(l.durable, l.synced)
	if l.synced >= l.journaled {
		l.journalRound = 0
	} else if l.journalRound > 0 {
		l.journalRound, l.journalAt = max(l.journalRound, j.round), j.at // the one there may be younger than j
	}
	l.syncedWaits.reached(l.synced)
}

// commitJournaled takes the result of a round whose record has the log's appends up
// to end, -1 if none. It reports whether somebody waits for the segments.
func (l *Log) commitJournaled(end int64, round uint64, now time.Time) (wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end >= 0 {
		l.durable = max(l.durable, end)
		l.journaled = end
	}
	if l.journalRound == 0 && end > l.synced {
		l.journalRound, l.journalAt = round, now
	}
	return l.syncWanted
}

// wantSync has the next round sync the log under every policy.
func (l *Log) wantSync() {
	l.mu.Lock()
	dirty := l.synced < l.end || l.dirDirty || len(l.finished) > 0
	l.syncWanted = l.syncWanted || dirty
	l.mu.Unlock()
	if dirty {
		l.disk.commit.add(l)
	}
}

// syncNow does a commit round's work here. Needs syncing. When it fails, everybody
// knows before syncing is free again: whoever got it then would find nothing dirty, and
// take for synced what could not be.
func (l *Log) syncNow() error {
	l.mu.Lock()
	l.syncWanted = true
	l.mu.Unlock()
	j := l.takeDirty()
	if err := syncFiles(l.disk.o.FS, []syncJob{j}, l.disk.o.SyncParallel); err != nil {
		return l.disk.fail(fmt.Errorf("sync: %v", err)) // not %w: a full disk is no excuse for a sync
	}
	if err := l.disk.Err(); err != nil { // perhaps it was this log's sync, and so it is not dirty
		return err
	}
	l.commit(&j)
	return nil
}

// wakeAll tells all who wait that it is in vain.
func (l *Log) wakeAll(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := func(int64) bool { return true }
	l.durableWaits.wake(err, all)
	l.syncedWaits.wake(err, all)
}
