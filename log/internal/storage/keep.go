package storage

import (
	"context"
	"time"
)

// save writes the caches of a log whose files are all synced. Needs keeping,
// writing and syncing.
func (l *Log) save() error {
	if err := l.finishSegments(); err != nil {
		return err
	}
	return l.store(l.capture())
}

// keep is the keeper's turn: caches of finished segments, a checkpoint if one is
// due, and the file of a log nobody writes to.
func (l *Log) keep(now time.Time) error {
	l.mu.Lock()
	pending := len(l.segments) > 1 && l.segments[len(l.segments)-2].index != nil
	due := l.end != l.checkpointEnd && now.Sub(l.checkpointAt) >= l.disk.o.CheckpointInterval
	idle := l.active != nil && now.UnixMilli()-l.segments[len(l.segments)-1].lastMs > idleTime.Milliseconds()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if pending || due {
		if err := l.Checkpoint(); err != nil {
			return err
		}
	}
	if idle {
		l.closeIdle()
	}
	return nil
}

// Checkpoint records what is durable now, so that recovery need not read it. The
// disk does this by itself; call it to have it done at a certain moment.
func (l *Log) Checkpoint() error {
	l.keeping.lock()
	err := l.checkpoint()
	l.keeping.unlock()
	return l.settle("checkpoint", err)
}

// checkpoint needs keeping.
func (l *Log) checkpoint() error {
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.writing.lock()
	c := l.capture()
	l.writing.unlock()
	l.wantSync()
	if err := l.wait(context.Background(), c.end, true); err != nil {
		return err
	}
	if err := l.finishSegments(); err != nil {
		return err
	}
	return l.store(c)
}

// finishSegments writes the caches of finished segments and lets go of what they
// had in memory. Needs keeping.
func (l *Log) finishSegments() error {
	type pending struct {
		s        *segment
		index    *segmentIndex
		snapshot []byte
	}
	var list []pending
	l.mu.Lock()
	for i, s := range l.segments {
		p := pending{s: s, snapshot: s.snapshot}
		if i < len(l.segments)-1 {
			p.index = s.index
		}
		if p.index != nil || p.snapshot != nil {
			list = append(list, p)
		}
	}
	l.mu.Unlock()
	for _, p := range list {
		if p.snapshot != nil {
			if err := writeFrame(l.disk.o.FS, p.s.path+snapshotSuffix, kindProducers, p.snapshot); err != nil {
				return onDisk("write producer snapshot", err)
			}
		}
		if p.index != nil {
			if err := l.writeIndex(p.s, p.index); err != nil {
				return err
			}
		}
		l.mu.Lock()
		p.s.snapshot = nil
		if p.index != nil {
			p.s.index = nil
		}
		l.mu.Unlock()
	}
	return nil
}

// writeIndex writes the three index files of a finished segment.
func (l *Log) writeIndex(s *segment, x *segmentIndex) error {
	fsys := l.disk.o.FS
	if len(x.aborted) > 0 {
		if err := writeFrame(fsys, s.path+abortedSuffix, kindAborted, x.appendAborted(nil)); err != nil {
			return onDisk("write index of aborted transactions", err)
		}
	}
	if err := writeFrame(fsys, s.path+timesSuffix, kindTimes, x.appendTimes(nil)); err != nil {
		return onDisk("write time index", err)
	}
	if err := writeFrame(fsys, s.path+indexSuffix, kindIndex, x.encodeOffsets(s)); err != nil {
		return onDisk("write offset index", err)
	}
	return nil
}

// closeIdle closes the file of a log that nobody appends to, if nobody is at it.
func (l *Log) closeIdle() {
	if !l.writing.tryLock() {
		return
	}
	defer l.writing.unlock()
	if !l.syncing.tryLock() {
		return
	}
	defer l.disk.commit.add(l) // it may have passed over the log meanwhile
	defer l.syncing.unlock()
	l.mu.Lock()
	f := l.active
	if l.activeDirty || f == nil {
		l.mu.Unlock()
		return
	}
	l.active = nil
	l.mu.Unlock()
	l.buf, l.planned = nil, nil
	_ = f.Close() // everything in it is synced
}
