package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// CleanStats is what compaction of a log has done.
type CleanStats struct {
	Passes int
	// ReadBytes and WrittenBytes are of segments; BeforeBytes and AfterBytes are the
	// sizes of those that were replaced, and of what replaced them.
	ReadBytes, WrittenBytes, BeforeBytes, AfterBytes int64
	// Removed is the number of records that went: outdated, aborted, tombstones past
	// their time, and, among them, Keyless ones, which a compacted topic cannot keep.
	Removed, Keyless int64
	Markers          int64 // markers that went
}

// cleanPass is one pass of compaction over a log (see cleaner).
//
// It reads the dirty segments and notes the last offset of every key in them; if
// the map is full, the pass covers no more than what is in it. Then it reads all
// segments from the first on, up to there, in groups, and writes each group anew
// without what has a later value. Nothing that exists is changed: the new segment
// takes the group's place at the end, at once (see swap.go).
//
//  1. A record stays if no later record below upTo has its key; a tombstone also
//     until its batch's horizon, which the first pass that meets it sets.
//  2. A record without a key goes, and so does one of an aborted transaction.
//  3. What is not below upTo stays as it is.
//  4. A batch of which everything stays is copied byte for byte. The last batch of a
//     producer and that of a group keep their envelope if no record is left: from
//     the one the producer's sequence can be rebuilt, from the other where the
//     segment ends.
//  5. A marker goes when no batch of its transaction is left and its horizon has
//     passed; the first pass that meets none of them sets it.
type cleanPass struct {
	ctx   context.Context
	l     *Log
	cfg   *Config
	nowMs int64
	cleanRange
	upTo  int64 // what the map covers
	keys  *offsetMap
	txns  *cleanTxns
	limit *throttle
	stats *CleanStats
	sieve record.Sieve
	batch []byte
}

// Clean compacts the log as far as it can at a time below a high watermark,
// whatever its configuration says about when. The disk does this by itself for
// logs with Config.Compact; call it to have it done at a certain moment. It fails
// with ErrClosed if the log is closed meanwhile.
func (l *Log) Clean(ctx context.Context, now time.Time, highWatermark int64) (CleanStats, error) {
	var stats CleanStats
	err := l.clean(ctx, now, highWatermark, &throttle{}, &stats)
	return stats, l.settle("compact", err)
}

// clean makes passes until nothing is dirty that may be cleaned.
func (l *Log) clean(ctx context.Context, now time.Time, highWatermark int64, limit *throttle, stats *CleanStats) error {
	l.cleaning.lock()
	defer l.cleaning.unlock()
	ctx, cancel := context.WithCancel(ctx)
	l.setStopCleaning(cancel)
	defer func() {
		l.setStopCleaning(nil)
		cancel()
	}()
	keys := newOffsetMap(l.disk.o.CleanerMemory)
	for {
		r, err := l.cleanable(now, highWatermark)
		if err != nil || len(r.segments) == 0 {
			return err
		}
		p := &cleanPass{ctx: ctx, l: l, cfg: l.cfg.Load(), nowMs: now.UnixMilli(), cleanRange: r, keys: keys, limit: limit, stats: stats}
		switch err = p.run(); {
		case errors.Is(err, errMoved), errors.Is(err, ErrOffsetOutOfRange):
			continue // truncated or deleted from meanwhile: look again
		case errors.Is(err, context.Canceled):
			return cmp.Or(l.closedError(), err)
		case err != nil:
			return err
		}
		stats.Passes++
		keys.reset()
	}
}

func (l *Log) setStopCleaning(stop context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopCleaning = stop
}

func (l *Log) closedError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usable()
}

func (p *cleanPass) run() error {
	var err error
	if p.txns, err = p.l.newCleanTxns(p.end()); err != nil {
		return err
	}
	if err := p.mapKeys(); err != nil {
		return err
	}
	for _, group := range p.groups() {
		if err := p.cleanGroup(group); err != nil {
			return err
		}
	}
	return p.l.storeDirty(p.upTo, p.cuts)
}

// mapKeys reads the dirty segments.
func (p *cleanPass) mapKeys() error {
	p.upTo = math.MaxInt64
	for _, s := range p.segments {
		if s.end <= p.dirty {
			continue
		}
		if err := p.each(s, p.mapBatch); err != nil {
			return err
		}
		if p.upTo != math.MaxInt64 {
			return nil
		}
	}
	p.upTo = p.end()
	return nil
}

// mapBatch notes the keys of one batch.
func (p *cleanPass) mapBatch(_ int64, h *record.Header, _ record.Control) error {
	switch {
	case p.upTo != math.MaxInt64 || h.LastOffset() < p.dirty:
		return nil
	case h.Control():
		p.txns.noteMarker(h)
		return nil
	case h.Count == 0 || p.txns.isAborted(h):
		return nil
	}
	// The sieve keeps everything: it is only asked to walk.
	_, err := p.sieve.Sift(p.batch, 0, func(r *record.Record) bool {
		if p.upTo == math.MaxInt64 && r.Key != nil && r.Offset >= p.dirty && !p.keys.put(r.Key, r.Offset) {
			p.upTo = r.Offset
		}
		return true
	})
	return err
}

// maxGroup bounds the segments of one group, whose files are open at its end.
const maxGroup = 64

// groups are the segments below upTo, small neighbours together.
func (p *cleanPass) groups() (groups [][]*segment) {
	var group []*segment
	size := int64(0)
	for _, s := range p.segments {
		if s.base >= p.upTo {
			break
		}
		if n := len(group); n > 0 && (n == maxGroup || size+s.size > p.cfg.SegmentBytes || s.end-group[0].base > math.MaxInt32) {
			groups, group, size = append(groups, group), nil, 0
		}
		group, size = append(group, s), size+s.size
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}

// cleanGroup writes the successor of some segments and puts it in their place.
func (p *cleanPass) cleanGroup(group []*segment) error {
	w, err := newCleanWriter(p, group)
	if err != nil {
		return err
	}
	for i, s := range group {
		w.source(s)
		err = p.each(s, func(pos int64, h *record.Header, marker record.Control) error {
			final := i == len(group)-1 && pos+int64(h.Size()) == s.size
			kept, err := p.judge(h, marker, final)
			if err != nil {
				return err
			}
			return w.add(pos, h, kept)
		})
		if err != nil {
			return errors.Join(err, w.discard())
		}
	}
	if !w.changed {
		return nil
	}
	return w.finish()
}

// judge is what is to be written of a batch: p.batch if all of it stays, nil for
// nothing. final is the last one of a group.
func (p *cleanPass) judge(h *record.Header, marker record.Control, final bool) ([]byte, error) {
	if h.Control() {
		return p.judgeMarker(h, marker, final)
	}
	p.txns.meet(h)
	aborted := p.txns.isAborted(h)
	if h.BaseOffset >= p.upTo || aborted && h.LastOffset() >= p.upTo {
		return p.batch, nil
	}
	horizon, stamped := h.DeleteHorizon()
	past := stamped && horizon <= p.nowMs
	stamp := int64(0)
	if h.LastOffset() < p.upTo {
		stamp = p.nowMs + p.cfg.DeleteRetention.Milliseconds()
	}
	left, err := p.sieve.Sift(p.batch, stamp, func(r *record.Record) bool {
		switch {
		case r.Offset >= p.upTo:
			return true
		case aborted:
			return false
		case r.Key == nil:
			p.stats.Keyless++
			return false
		}
		return r.Offset >= p.keys.latest(r.Key) && !(past && r.Value == nil)
	})
	if err != nil {
		return nil, err
	}
	p.stats.Removed += int64(int(h.Count) - left.Kept)
	if left.Batch != nil || !final && !p.txns.isLast(h) {
		return left.Batch, nil
	}
	if h.Count == 0 {
		return p.batch, nil
	}
	return record.Envelope(*h), nil
}

// judgeMarker is judge for a control batch, which is never emptied: it is whole or
// gone.
func (p *cleanPass) judgeMarker(h *record.Header, marker record.Control, final bool) ([]byte, error) {
	met := p.txns.marker(h)
	ends := h.Count == 0 || marker.Marker == record.Abort || marker.Marker == record.Commit
	if met || !ends || h.LastOffset() >= p.upTo {
		return p.batch, nil
	}
	horizon, stamped := h.DeleteHorizon()
	switch {
	case !stamped && h.Count > 0:
		left, err := p.sieve.Sift(p.batch, p.nowMs+p.cfg.DeleteRetention.Milliseconds(), func(*record.Record) bool { return true })
		return left.Batch, err
	case stamped && horizon > p.nowMs || final || p.txns.isLast(h):
		return p.batch, nil
	}
	p.stats.Markers++
	return nil, nil
}

// each calls f for every batch of a segment, with its position; p.batch has its
// bytes. Every checksum is verified, and damage takes the log out of service.
func (p *cleanPass) each(s *segment, f func(pos int64, h *record.Header, marker record.Control) error) error {
	file, err := p.l.disk.o.FS.Open(s.path + logSuffix)
	if err != nil {
		return p.explain(s, err)
	}
	defer file.Close()
	sc := newScanner(file, 0, s.size, s.base)
	for {
		pos := sc.pos
		h, marker, err := sc.batch()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			p.batch, err = sc.bytes(pos, h.Size())
		}
		if err == nil {
			p.stats.ReadBytes += int64(h.Size())
			err = p.limit.spend(p.ctx, h.Size())
		}
		if err == nil {
			err = f(pos, &h, marker)
		}
		if err != nil {
			return p.explainAt(s, file, sc, err)
		}
	}
}

// explainAt turns a fault in a segment into what it means.
func (p *cleanPass) explainAt(s *segment, file vfs.File, sc *scanner, err error) error {
	if errors.Is(err, errBad) {
		err = &CorruptError{File: file.Name(), Position: sc.pos, Durable: s.end, Cause: err}
	}
	return p.explain(s, err)
}

func (p *cleanPass) explain(s *segment, err error) error {
	var damage *CorruptError
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case !p.l.holds(s):
		return errMoved
	case errors.As(err, &damage):
		return p.l.damaged(damage)
	}
	return fmt.Errorf("segment %s: %w", segmentName(s.base), err)
}
