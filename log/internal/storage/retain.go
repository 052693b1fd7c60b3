package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// storeStart writes the file log-start, whose payload is the offset, int64.
func (l *Log) storeStart(start int64) error {
	payload := binary.BigEndian.AppendUint64(nil, uint64(start))
	return onDisk("write log start", writeFrame(l.disk.o.FS, l.dir+"/"+startFile, kindStart, payload))
}

// DeleteRecords raises the log's start to before, durably, and removes the
// segments that are wholly below it. before above the end is ErrOffsetOutOfRange;
// the caller bounds it by the high watermark.
func (l *Log) DeleteRecords(before int64) (logStart int64, err error) {
	l.keeping.lock()
	err = l.raiseStart(before)
	l.keeping.unlock()
	return l.LogStart(), l.settle("delete records of", err)
}

// raiseStart makes the new start durable before anything is removed: what a crash
// leaves below it is removed by recovery. Needs keeping.
func (l *Log) raiseStart(start int64) error {
	l.mu.Lock()
	err := l.usable()
	was, end := l.start, l.end
	below := len(l.segments) > 1 && l.segments[1].base <= l.start
	l.mu.Unlock()
	switch {
	case err != nil:
		return err
	case start > end || start < 0:
		return fmt.Errorf("%w: offset %d, the log ends at %d", ErrOffsetOutOfRange, start, end)
	case start <= was && !below:
		return nil
	}
	// With the segments go the batches from which producers would be rebuilt, so
	// what is known of these is saved first. On a full disk it cannot be, but there
	// deleting must go on.
	if err := l.finishSegments(); isFull(err) {
		l.disk.o.Logger.Warn("deleting records without saving producers", "log", l.id.String(), "error", err)
	} else if err != nil {
		return err
	}
	if start <= was { // only what was the last segment then is left to remove
		return l.dropBelowStart()
	}
	if err := l.syncUpTo(start); err != nil {
		return err
	}
	if err := l.storeStart(start); err != nil {
		return err
	}
	l.mu.Lock()
	l.start = start
	l.epochs = l.epochs.cutStart(start) // the file follows when it is next written
	l.mu.Unlock()
	return l.dropBelowStart()
}

// syncUpTo waits until the segments are synced up to an offset: recovery takes a log
// that ends below its start for one whose reset was interrupted. Needs keeping.
func (l *Log) syncUpTo(offset int64) error {
	if l.disk.journal == nil {
		return nil
	}
	l.wantSync()
	return l.wait(context.Background(), offset, true)
}

// dropBelowStart removes the segments that are wholly below the start. Their
// successors' snapshots have been written. Needs keeping.
func (l *Log) dropBelowStart() error {
	l.mu.Lock()
	n := 0
	for n < len(l.segments)-1 && l.segments[n+1].base <= l.start {
		n++
	}
	gone := l.segments[:n]
	l.segments = slices.Clone(l.segments[n:])
	if n > 0 {
		l.gen++
	}
	l.mu.Unlock()
	for _, s := range gone {
		l.disk.handles.drop(s)
		if err := l.removeSegment(s.path); err != nil {
			return err
		}
	}
	return nil
}

// Retain removes whole segments that the configuration no longer wants, none that
// ends above upTo, the caller's high watermark, and begins a new segment where the
// last one is too old. It forgets expired producers. Call it now and then.
func (l *Log) Retain(now time.Time, upTo int64) error {
	l.keeping.lock()
	err := l.retain(now, upTo)
	l.keeping.unlock()
	return l.settle("retain", err)
}

func (l *Log) retain(now time.Time, upTo int64) error {
	cfg := l.cfg.Load()
	l.mu.Lock()
	l.highWatermark = max(l.highWatermark, upTo)
	l.mu.Unlock()
	if err := l.rollOld(now, upTo, cfg); err != nil {
		return err
	}
	l.mu.Lock()
	err := l.usable()
	start, total := l.start, int64(0)
	for _, s := range l.segments {
		total += s.size
	}
	for _, s := range l.segments[:len(l.segments)-1] {
		tooMuch := cfg.RetentionBytes > 0 && total-s.size >= cfg.RetentionBytes
		if s.end > upTo || !tooMuch && !expired(s, now, cfg.RetentionAge) {
			break
		}
		start, total = s.end, total-s.size
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.raiseStart(start)
}

// rollOld begins a new segment if the last one is full of old records, so that it
// can go, and forgets producers that are no longer heard of.
func (l *Log) rollOld(now time.Time, upTo int64, cfg *Config) error {
	l.writing.lock()
	defer l.writing.unlock()
	l.mu.Lock()
	err := l.usable()
	s := l.segments[len(l.segments)-1]
	old := s.size > 0 && (now.UnixMilli()-s.firstMs > cfg.SegmentAge.Milliseconds() ||
		s.end <= upTo && (s.end <= l.start || expired(s, now, cfg.RetentionAge)))
	l.producers.expire(now.Add(-cfg.ProducerExpiry).UnixMilli(), cfg.MaxProducers)
	l.mu.Unlock()
	if err != nil || !old {
		return err
	}
	return l.roll()
}

// expired goes by the records' timestamps, but not beyond the clock at the last
// append: a timestamp in the future must not keep a segment for ever.
func expired(s *segment, now time.Time, age time.Duration) bool {
	if age <= 0 || s.size == 0 {
		return false
	}
	newest := s.lastMs
	if s.maxMs >= 0 {
		newest = min(newest, s.maxMs)
	}
	return now.UnixMilli()-newest > age.Milliseconds()
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed) }
