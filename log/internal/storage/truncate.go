package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Truncate cuts the log so that it ends at offset to, or before it if to is within
// a batch. It is durable when it returns. A leader epoch that begins at the new end
// is forgotten, also if to is the end. What is above the end changes nothing; to
// below the start is Reset. Only a follower does this, by leader epoch, never below
// the high watermark.
//
// The order of its steps makes every crash in between leave a log that recovery
// accepts: first nothing claims any more that the end is durable, then segments go
// from the last one down, each for good before the next.
func (l *Log) Truncate(to int64) error {
	return l.rewrite("truncate", func() error {
		l.mu.Lock()
		start, end := l.start, l.end
		l.mu.Unlock()
		switch {
		case to > end:
			return nil
		case to == end:
			return l.cutEpochs()
		case to < start:
			return l.resetTo(to)
		}
		return l.truncateTo(to)
	})
}

// Reset empties the log and lets it begin at offset at, durably.
func (l *Log) Reset(at int64) error {
	if at < 0 {
		return fmt.Errorf("reset %v: %w: %d", l.id, ErrOffsetOutOfRange, at)
	}
	return l.rewrite("reset", func() error { return l.resetTo(at) })
}

// rewrite holds everybody off while the log's end goes back.
func (l *Log) rewrite(doing string, change func() error) error {
	l.keeping.lock()
	l.writing.lock()
	l.syncing.lock()
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err == nil {
		err = change()
	}
	l.syncing.unlock()
	l.writing.unlock()
	l.keeping.unlock()
	l.disk.commit.add(l) // it may have passed over the log meanwhile
	return l.settle(doing, err)
}

// leaveJournal makes the segments all that there is of the log, before they are cut.
// Needs writing and syncing.
func (l *Log) leaveJournal() error {
	if err := l.syncNow(); err != nil {
		return err
	}
	return l.disk.commit.forget(l.id)
}

func (l *Log) truncateTo(to int64) error {
	if err := l.leaveJournal(); err != nil {
		return err
	}
	s, pos, newEnd, err := l.cutPosition(to)
	if err != nil {
		return err
	}
	if err := l.forgetCheckpoint(); err != nil {
		return err
	}
	l.mu.Lock()
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	l.lower(newEnd)
	l.closeActive()
	for i := len(segments) - 1; segments[i] != s; i-- {
		if err := l.dropSegment(segments[i]); err != nil {
			return final(err)
		}
	}
	if err := l.cutSegment(s, pos); err != nil {
		return final(err)
	}
	if err := l.reload(); err != nil {
		return final(err)
	}
	return l.cutEpochs()
}

// final keeps a full disk from excusing a change that was left half done.
func final(err error) error {
	if err == nil {
		return nil
	}
	return &diskError{fmt.Errorf("half done: %v", err)}
}

// cutPosition finds the first batch that reaches to or above it.
func (l *Log) cutPosition(to int64) (s *segment, pos, newEnd int64, err error) {
	v, err := l.view(to, to+1, false)
	if v == nil {
		return nil, 0, 0, err
	}
	defer v.release()
	w := newWalker(v.handle.file, v.size)
	defer w.done()
	if pos, err = v.seek(w, to); err != nil {
		return nil, 0, 0, v.explain(err)
	}
	if pos == v.size {
		return v.handle.seg, pos, v.end, nil
	}
	h, err := w.header(pos)
	if err != nil {
		return nil, 0, 0, v.explain(err)
	}
	return v.handle.seg, pos, min(h.BaseOffset, to), nil
}

// forgetCheckpoint removes the claim that the end is durable.
func (l *Log) forgetCheckpoint() error {
	if err := l.disk.o.FS.Remove(l.dir + "/" + checkpointFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return onDisk("remove checkpoint", err)
	}
	return onDisk("sync directory", l.disk.o.FS.SyncDir(l.dir))
}

// lower shows readers and waiters the new end before anything is cut.
func (l *Log) lower(end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	l.cuts++
	l.end = end
	l.highWatermark, l.dirty = min(l.highWatermark, end), min(l.dirty, end)
	l.start = min(l.start, end)
	l.durable, l.synced, l.announced = min(l.durable, end), min(l.synced, end), min(l.announced, end)
	gone := fmt.Errorf("%v was truncated to offset %d: %w", l.id, end, ErrOffsetOutOfRange)
	above := func(offset int64) bool { return offset > end }
	l.durableWaits.wake(gone, above)
	l.syncedWaits.wake(gone, above)
}

// closeActive closes the last segment's file, which is synced. Needs writing and
// syncing.
func (l *Log) closeActive() {
	l.mu.Lock()
	f := l.active
	l.active = nil
	l.mu.Unlock()
	if f != nil {
		_ = f.Close()
	}
}

// dropSegment removes a segment at the end, for good.
func (l *Log) dropSegment(s *segment) error {
	l.disk.handles.drop(s)
	if err := l.removeSegment(s.path); err != nil {
		return err
	}
	return l.disk.o.FS.SyncDir(l.dir)
}

// cutSegment shortens a segment's file; what describes it as finished goes.
func (l *Log) cutSegment(s *segment, pos int64) error {
	l.disk.handles.drop(s)
	if err := l.removeFiles(s.path, indexSuffix, timesSuffix, abortedSuffix); err != nil {
		return err
	}
	f, err := l.disk.o.FS.OpenAppend(s.path + logSuffix)
	if err != nil {
		return err
	}
	err = f.Truncate(pos)
	if err == nil {
		err = f.SyncData()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// resetTo removes everything. The new start is durable first: what an interrupted
// reset leaves lies below it, or is set aside by recovery.
func (l *Log) resetTo(at int64) error {
	if err := l.leaveJournal(); err != nil {
		return err
	}
	if err := l.forgetCheckpoint(); err != nil {
		return err
	}
	if err := l.storeStart(at); err != nil {
		return err
	}
	l.mu.Lock()
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	l.lower(at)
	l.closeActive()
	for i := len(segments) - 1; i >= 0; i-- {
		if err := l.dropSegment(segments[i]); err != nil {
			return final(err)
		}
	}
	if err := l.reload(); err != nil {
		return final(err)
	}
	return l.cutEpochs()
}

// reload reads the directory again, as opening the log does, and shows what is
// there. Needs keeping, writing and syncing.
func (l *Log) reload() error {
	fresh := newLog(l.disk, l.id, *l.cfg.Load())
	if err := fresh.recover(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	l.activeDirty, l.dirDirty = false, false
	l.segments, l.start, l.end, l.epochs = fresh.segments, fresh.start, fresh.end, fresh.epochs
	l.producers, l.txns = fresh.producers, fresh.txns
	l.durable, l.synced, l.announced = fresh.durable, fresh.synced, fresh.announced
	l.journaled, l.journalRound = 0, 0
	l.opened = fresh.opened
	l.checkpointEnd, l.checkpointAt = fresh.checkpointEnd, fresh.checkpointAt
	return nil
}
