package storage

import (
	"context"
)

// maxPending bounds the finished segments whose index is kept in memory because
// its files could not be written. Above it the oldest is dropped: it is rebuilt
// from the segment when somebody reads there.
const maxPending = 8

// roll ends the last segment and begins the next at the log's end. The old file is
// synced and closed by the next commit round, its indexes are written by the
// keeper. Needs writing.
func (l *Log) roll() error {
	l.mu.Lock()
	old := l.segments[len(l.segments)-1]
	end := l.end
	l.mu.Unlock()
	// Invariant 3 of Log: what is before the segment that is rolled is synced. Only
	// a log that fills a segment faster than the disk syncs one has to wait here.
	l.wantSync()
	if err := l.wait(context.Background(), old.base, true); err != nil {
		return err
	}
	s := newSegment(l.dir, end)
	f, err := l.disk.o.FS.Create(s.path + logSuffix)
	if err != nil {
		return onDisk("begin segment", err)
	}
	l.mu.Lock()
	s.snapshot = l.producers.encode(end)
	l.segments = append(l.segments, s)
	if l.active != nil {
		l.finished = append(l.finished, l.active)
	}
	l.active, l.activeDirty, l.dirDirty = f, false, true
	pending := 0
	for i := len(l.segments) - 2; i >= 0; i-- {
		if l.segments[i].index != nil {
			if pending++; pending > maxPending {
				l.segments[i].index, l.segments[i].snapshot = nil, nil
			}
		}
	}
	l.mu.Unlock()
	l.wantSync()
	return nil
}
