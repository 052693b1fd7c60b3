package storage

import (
	"errors"
	"fmt"
	"math"

	"github.com/millrace/millrace/log/record"
)

// OffsetForTimestamp is the first record, below upTo, whose timestamp is at least
// that; ok is false if there is none.
func (l *Log) OffsetForTimestamp(timestampMs, upTo int64) (at TimestampOffset, ok bool, err error) {
	for from := l.LogStart(); ; {
		s, found := l.segmentWithTime(from, timestampMs)
		if !found {
			return at, false, nil
		}
		at, ok, err = l.searchTime(timestampMs, max(from, s.base), upTo)
		if errors.Is(err, errMoved) {
			continue
		}
		if start := l.LogStart(); errors.Is(err, ErrOffsetOutOfRange) && start > from {
			from = start // records were deleted meanwhile
			continue
		}
		if ok || err != nil {
			return at, ok, l.settle("find timestamp in", err)
		}
		from = s.end
	}
}

// segmentWithTime is the first segment that reaches above from and holds a
// timestamp that high, as it is now.
func (l *Log) segmentWithTime(from, timestampMs int64) (segment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.end > from && s.maxMs >= timestampMs {
			return *s, true
		}
	}
	return segment{}, false
}

// searchTime looks in the segment of an offset for the first record from there on that
// is old enough.
func (l *Log) searchTime(timestampMs, from, upTo int64) (at TimestampOffset, ok bool, err error) {
	v, err := l.view(from, upTo, false)
	if v == nil {
		return at, false, err
	}
	defer v.release()
	x, err := l.indexOf(v.handle)
	if err != nil {
		return at, false, v.explain(err)
	}
	w := newWalker(v.handle.file, v.size)
	defer w.done()
	pos, err := v.seek(w, max(from, v.handle.seg.base+int64(x.from(timestampMs))))
	for err == nil && pos < v.size {
		var h record.Header
		if h, err = w.header(pos); err != nil {
			break
		}
		if h.BaseOffset >= upTo {
			return at, false, nil
		}
		if h.MaxTimestamp >= timestampMs && h.LastOffset() >= from {
			at, ok, err = v.recordWithTime(&h, pos, func(r *record.Record) bool {
				return r.Timestamp >= timestampMs && r.Offset >= from
			})
			if ok || err != nil {
				return at, ok && at.Offset < upTo, err
			}
		}
		pos += int64(h.Size())
	}
	if err != nil {
		return at, false, v.explain(err)
	}
	return at, false, nil
}

// MaxTimestamp is the record with the highest timestamp, the first of several; ok
// is false if the log is empty or without timestamps.
func (l *Log) MaxTimestamp() (at TimestampOffset, ok bool, err error) {
	for {
		start := l.LogStart()
		at, ok, err = l.findMaxTimestamp()
		deleted := errors.Is(err, ErrOffsetOutOfRange) && l.LogStart() > start
		if !deleted && !errors.Is(err, errMoved) {
			return at, ok, l.settle("find highest timestamp in", err)
		}
	}
}

func (l *Log) findMaxTimestamp() (at TimestampOffset, ok bool, err error) {
	l.mu.Lock()
	highest, base := int64(-1), int64(0)
	for _, s := range l.segments {
		if s.maxMs > highest {
			highest, base = s.maxMs, s.base
		}
	}
	start := l.start
	l.mu.Unlock()
	if highest < 0 {
		return at, false, nil
	}
	if at, ok, err = l.maxTimestamp(base, start); ok || err != nil {
		return at, ok, err
	}
	// That record was deleted, but its segment is still there: climb what is left.
	for ms := int64(0); ; ms = at.TimestampMs + 1 {
		next, found, err := l.OffsetForTimestamp(ms, math.MaxInt64)
		if err != nil || !found {
			return at, ok, err
		}
		at, ok = next, true
	}
}

// maxTimestamp looks in the segment that has the highest timestamp.
func (l *Log) maxTimestamp(base, start int64) (at TimestampOffset, ok bool, err error) {
	from := max(base, start)
	v, err := l.view(from, from+1, false)
	if v == nil {
		return at, false, err
	}
	defer v.release()
	x, err := l.indexOf(v.handle)
	if err != nil {
		return at, false, v.explain(err)
	}
	v.catchUp()
	w := newWalker(v.handle.file, v.size)
	defer w.done()
	pos, err := v.seek(w, v.handle.seg.base+int64(x.maxRel))
	if err != nil || pos == v.size {
		return at, false, v.explain(err)
	}
	h, err := w.header(pos)
	if err != nil {
		return at, false, v.explain(err)
	}
	return v.recordWithTime(&h, pos, func(r *record.Record) bool {
		return r.Timestamp == h.MaxTimestamp && r.Offset >= start
	})
}

// catchUp has a view reach as far as what was taken of its segment's index since: that
// may name a batch that was not there when the view began.
func (v *view) catchUp() {
	v.log.mu.Lock()
	defer v.log.mu.Unlock()
	v.size, v.end = v.handle.seg.size, v.handle.seg.end
}

// recordWithTime reads one batch and is its first record that matches.
func (v *view) recordWithTime(h *record.Header, pos int64, match func(*record.Record) bool) (TimestampOffset, bool, error) {
	batch := make([]byte, h.Size())
	if n, err := v.handle.file.ReadAt(batch, pos); n < len(batch) {
		return TimestampOffset{}, false, v.explain(fmt.Errorf("read %s at %d: %w", v.handle.file.Name(), pos, err))
	}
	var r record.Reader
	if err := r.Reset(batch); err != nil {
		return TimestampOffset{}, false, err
	}
	for rec := (record.Record{}); r.Next(&rec); {
		if match(&rec) {
			return TimestampOffset{Offset: rec.Offset, TimestampMs: rec.Timestamp, LeaderEpoch: h.LeaderEpoch}, true, nil
		}
	}
	return TimestampOffset{}, false, r.Err()
}
