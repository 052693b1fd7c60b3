package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// cleanRange is what compaction may touch of a log at a moment.
type cleanRange struct {
	// segments are finished and wholly below the bound, from the log's first on;
	// only their batches are read and replaced.
	segments []*segment
	cuts     int // Log.cuts then
	// dirty is the first offset that no pass has seen yet.
	dirty int64
	// dirtyBytes of bytes are in segments that reach above dirty.
	dirtyBytes, bytes int64
	// overdue says that a record waits longer than Config.MaxCompactionLag.
	overdue bool
}

// end is the offset up to which a pass may come.
func (r *cleanRange) end() int64 { return r.segments[len(r.segments)-1].end }

// ratio is the dirty part of what may be cleaned.
func (r *cleanRange) ratio() float64 { return float64(r.dirtyBytes) / float64(max(r.bytes, 1)) }

// cleanable is the range that may be compacted: finished segments, none that the
// high watermark has not passed, that is not synced, that an open transaction
// reaches into or that is younger than Config.MinCompactionLag. It is empty if
// nothing of it is dirty.
func (l *Log) cleanable(now time.Time, highWatermark int64) (cleanRange, error) {
	dirty, err := l.firstDirty()
	if err != nil {
		return cleanRange{}, err
	}
	cfg := l.cfg.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return cleanRange{}, err
	}
	r := cleanRange{cuts: l.cuts, dirty: max(dirty, l.start)}
	if highWatermark < l.opened {
		return r, nil // a marker above it may be lost, and after a start nobody knows which those are
	}
	limit := min(l.txns.lastStable(min(highWatermark, l.end)), l.synced)
	for _, s := range l.segments[:len(l.segments)-1] {
		if s.end > limit || cfg.MinCompactionLag > 0 && now.UnixMilli()-s.newest() < cfg.MinCompactionLag.Milliseconds() {
			break
		}
		r.segments = append(r.segments, s)
		r.bytes += s.size
		if s.end > r.dirty {
			r.dirtyBytes += s.size
			r.overdue = r.overdue || cfg.MaxCompactionLag > 0 && now.UnixMilli()-s.firstMs > cfg.MaxCompactionLag.Milliseconds()
		}
	}
	if r.dirtyBytes == 0 {
		r.segments = nil
	}
	return r, nil
}

// newest is the highest timestamp of a segment's records, but not beyond the clock
// at its last append: a timestamp in the future must not count for ever.
func (s *segment) newest() int64 {
	if s.maxMs >= 0 {
		return min(s.lastMs, s.maxMs)
	}
	return s.lastMs
}

// wants says whether the configuration asks for a pass over a range.
func (r *cleanRange) wants(cfg *Config) bool {
	return len(r.segments) > 0 && (r.overdue || r.ratio() > cfg.DirtyRatio)
}

// firstDirty is where the last pass ended. The file is a cache: without it
// everything is dirty, and the next pass reads more than it needs to.
func (l *Log) firstDirty() (int64, error) {
	l.mu.Lock()
	at, known, end := l.dirty, l.dirtyKnown, l.end
	l.mu.Unlock()
	if known {
		return at, nil
	}
	payload, err := readFrame(l.disk.o.FS, l.dir+"/"+cleanerFile, kindCleaner)
	if err == nil && payload != nil {
		d := decoder{b: payload}
		at = d.i64()
		if err = d.end(); err == nil && (at < 0 || at > end) {
			err = fmt.Errorf("%w: first dirty offset %d, the log ends at %d", errFrame, at, end)
		}
	}
	if err != nil {
		if !errors.Is(err, errFrame) && !errors.Is(err, errNewer) {
			return 0, err
		}
		at = 0
		if err := l.setAsideCache(l.dir+"/"+cleanerFile, cleanerFile, err); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dirtyKnown {
		l.dirty, l.dirtyKnown = at, true
	}
	return min(l.dirty, l.end), nil
}

// storeDirty remembers where a pass ended, unless the log was cut meanwhile.
func (l *Log) storeDirty(at int64, cuts int) error {
	l.mu.Lock()
	if l.cuts != cuts {
		l.mu.Unlock()
		return nil
	}
	l.dirty, l.dirtyKnown = at, true
	l.mu.Unlock()
	return onDisk("write "+cleanerFile, writeFrame(l.disk.o.FS, l.dir+"/"+cleanerFile, kindCleaner, encodeDirty(at)))
}

// encodeDirty is the payload of the file cleaner: the first dirty offset, int64.
func encodeDirty(at int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at)) }
