package storage

import (
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// indexOf is the index of a segment that h holds open: the one in memory, or, for
// a finished segment, the one the handle has read from its files.
func (l *Log) indexOf(h *handle) (*segmentIndex, error) {
	l.mu.Lock()
	x := h.seg.index
	if x != nil {
		view := *x // its slices are only appended to
		x = &view
	}
	l.mu.Unlock()
	if x != nil {
		return x, nil
	}
	h.loading.lock()
	defer h.loading.unlock()
	if h.index == nil {
		x, _, err := l.readIndex(h.seg, h.file, nil)
		if err != nil {
			return nil, err
		}
		h.index = x
	}
	return h.index, nil
}

// readIndex reads a finished segment's index files; if one is missing or damaged
// it is set aside, and all are rebuilt from the segment. Then before, if it is not nil,
// is told the producers before the segment, as a snapshot has them, if they are sure.
func (l *Log) readIndex(s *segment, f vfs.File, before func([]byte) error) (x *segmentIndex, rebuilt bool, err error) {
	x, name, err := l.loadIndex(s)
	if err == nil && x != nil {
		return x, false, nil
	}
	if errors.Is(err, errFrame) || errors.Is(err, errNewer) {
		if err := l.setAsideCache(name, path.Base(name), err); err != nil {
			return nil, false, err
		}
	} else if err != nil {
		return nil, false, err
	}
	p, sure, err := l.producersAt(s)
	if err != nil {
		return nil, true, err
	}
	snapshot := p.encode(s.base) // rebuilding goes on with p
	if x, err = l.rebuildIndex(s, f, p); err != nil {
		return nil, true, err // and nothing was written beside a segment that is damaged
	}
	if sure && before != nil {
		if err := before(snapshot); err != nil {
			return nil, true, err
		}
	}
	if err := l.writeIndex(s, x); err != nil && !isFull(err) { // a reader needs no room
		return nil, true, err
	}
	return x, true, nil
}

// loadIndex reads the three files. A nil index without an error is a missing file;
// with an error, name is the file.
func (l *Log) loadIndex(s *segment) (x *segmentIndex, name string, err error) {
	fsys := l.disk.o.FS
	x = newSegmentIndex()
	name = s.path + indexSuffix
	payload, err := readFrame(fsys, name, kindIndex)
	if err != nil || payload == nil {
		return nil, name, err
	}
	aborted, err := x.decodeOffsets(payload, s)
	if err != nil {
		return nil, name, fmt.Errorf("%s: %w", path.Base(name), err)
	}
	name = s.path + timesSuffix
	if payload, err = readFrame(fsys, name, kindTimes); err != nil || payload == nil {
		return nil, name, err
	}
	d := decoder{b: payload}
	x.readTimes(&d)
	if err := d.end(); err != nil {
		return nil, name, fmt.Errorf("%s: %w", path.Base(name), err)
	}
	if aborted == 0 {
		return x, "", nil
	}
	name = s.path + abortedSuffix
	if payload, err = readFrame(fsys, name, kindAborted); err != nil || payload == nil {
		return nil, name, err
	}
	d = decoder{b: payload}
	x.readAborted(&d)
	if d.err == nil && len(x.aborted) != aborted {
		d.err = fmt.Errorf("%w: %d entries, the index says %d", errFrame, len(x.aborted), aborted)
	}
	if err := d.end(); err != nil {
		return nil, name, fmt.Errorf("%s: %w", path.Base(name), err)
	}
	return x, "", nil
}

// rebuildIndex reads a finished segment. Damage there is damage of the log. Which
// transactions were aborted also depends on the segments before: p are the producers
// that they left.
func (l *Log) rebuildIndex(s *segment, f vfs.File, p producerTable) (*segmentIndex, error) {
	scratch := &Log{producers: p} // apply works on a log; this one is only memory
	scratch.txns.fromProducers(p)
	shadow := &segment{base: s.base, end: s.base, maxMs: -1, index: newSegmentIndex()}
	if err := l.replay(scratch, shadow, f, s); err != nil {
		return nil, err
	}
	if shadow.end != s.end {
		return nil, &CorruptError{File: f.Name(), Position: s.size, Durable: s.end,
			Cause: fmt.Errorf("it ends at offset %d, not %d", shadow.end, s.end)}
	}
	return shadow.index, nil
}

// replay applies the batches of a finished segment to a log in memory.
func (l *Log) replay(scratch *Log, shadow *segment, f vfs.File, s *segment) error {
	sc := newScanner(f, 0, s.size, s.base)
	interval, nowMs := l.cfg.Load().IndexInterval, time.Now().UnixMilli()
	for {
		h, marker, err := sc.batch()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errBad):
			return &CorruptError{File: f.Name(), Position: sc.pos, Durable: s.end, Cause: err}
		case err != nil:
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		scratch.apply(shadow, &h, marker, interval, nowMs)
	}
}

// producersAt is the state of the producers before a segment: of the nearest snapshot,
// and the segments from there on. Without one, in a log whose first records are
// deleted, it is a guess: those are missing whose last batch was among them. If a
// segment is replaced or deleted meanwhile it is errMoved.
func (l *Log) producersAt(s *segment) (p producerTable, sure bool, err error) {
	l.mu.Lock()
	segments := l.segments
	l.mu.Unlock()
	to := 0
	for to < len(segments) && segments[to].base < s.base {
		to++
	}
	from, at := to, s
	for {
		if p, sure, err = l.snapshotAt(at); err != nil {
			return p, false, err
		}
		if sure || from == 0 {
			break
		}
		from--
		at = segments[from]
	}
	scratch := &Log{producers: newProducerTable()}
	if sure {
		scratch.producers = p
		scratch.txns.fromProducers(p)
	}
	sure = sure || at.base == 0
	for _, before := range segments[from:to] {
		if err := l.replayInto(scratch, before); err != nil {
			return p, false, err
		}
	}
	return scratch.producers, sure, nil
}

// snapshotAt reads the snapshot of the producers before a segment, if there is one
// that can be read.
func (l *Log) snapshotAt(s *segment) (t producerTable, found bool, err error) {
	payload, err := readFrame(l.disk.o.FS, s.path+snapshotSuffix, kindProducers)
	if err != nil && !errors.Is(err, errFrame) && !errors.Is(err, errNewer) {
		return t, false, err
	}
	if err != nil || payload == nil {
		return t, false, nil
	}
	t, offset, err := decodeProducers(payload)
	return t, err == nil && offset == s.base, nil
}

// replayInto applies the batches of a segment that others may be replacing.
func (l *Log) replayInto(scratch *Log, s *segment) error {
	h, err := l.openFile(s)
	if err != nil {
		return err
	}
	defer l.disk.handles.release(h)
	return l.replay(scratch, &segment{base: s.base, index: newSegmentIndex()}, h.file, s)
}
