package storage

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/log/record"
)

// scan reads what is not known, and cuts the log where no batch is any more.
func (r *recovery) scan() error {
	first, err := r.begin()
	if err != nil {
		return err
	}
	for i := first; i < len(r.l.segments); i++ {
		s := r.l.segments[i]
		if i > first {
			if err := r.between(s); err != nil {
				return err
			}
		}
		cause, err := r.scanSegment(s)
		if err != nil {
			return err
		}
		last := i == len(r.l.segments)-1
		if cause == nil && !last && r.l.segments[i+1].base != r.l.end {
			cause = fmt.Errorf("%w: it ends at offset %d, the next begins at %d", errBad, r.l.end, r.l.segments[i+1].base)
		}
		switch {
		case cause == nil:
		case !last && r.l.segments[i+1].base <= r.l.start:
			r.skip(r.l.segments[i+1].base)
		default:
			return r.cut(i, cause)
		}
	}
	return nil
}

// skip goes on behind segments below the log's start, of which an interrupted
// deletion has left only some.
func (r *recovery) skip(to int64) {
	r.l.end, r.l.producers, r.l.txns = to, newProducerTable(), txnTable{}
	r.guessed = true
}

// begin decides from which segment on batches are read, and sets the producers as
// they were there.
func (r *recovery) begin() (first int, err error) {
	l := r.l
	if r.cp != nil {
		l.producers, l.end, err = decodeProducers(r.cp.producers)
		l.txns.fromProducers(l.producers)
		for i, s := range l.segments {
			if s.base == r.cp.last().base {
				return i, err
			}
		}
		return 0, err // its last segment was deleted, and the first one begins where that ended
	}
	first = max(0, len(l.segments)-2)
	for ; first >= 0; first-- {
		if found, err := r.snapshot(l.segments[first]); err != nil {
			return 0, err
		} else if found {
			break
		}
	}
	if first < 0 { // nothing is known of producers before the first segment
		first, r.guessed = 0, l.segments[0].base > 0
	}
	for _, s := range l.segments[first:] { // they are read anew, with all that is kept in memory
		s.end, s.size, s.maxMs, s.aborted, s.index = s.base, 0, -1, 0, newSegmentIndex()
	}
	l.end = l.segments[first].base
	return first, nil
}

// snapshot reads the producers as they were before a segment, if it has a snapshot.
func (r *recovery) snapshot(s *segment) (found bool, err error) {
	payload, err := readFrame(r.fsys, s.path+snapshotSuffix, kindProducers)
	if err == nil && payload == nil {
		return false, nil
	}
	var t producerTable
	if err == nil {
		var offset int64
		t, offset, err = decodeProducers(payload)
		if err == nil && offset != s.base {
			err = fmt.Errorf("%w: snapshot of offset %d", errFrame, offset)
		}
	}
	if err != nil {
		return false, r.setAside(segmentName(s.base)+snapshotSuffix, err)
	}
	r.l.producers = t
	r.l.txns.fromProducers(t)
	return true, nil
}

// between is at a segment's first offset. Producers that were only read from what
// deletion has left are better known by the segment's snapshot, if it has one; the
// others have it written.
func (r *recovery) between(s *segment) error {
	if r.guessed {
		found, err := r.snapshot(s)
		r.guessed = !found
		if found || err != nil {
			return err
		}
	}
	s.snapshot = r.l.producers.encode(s.base)
	return nil
}

// scanSegment applies the batches after what is known of a segment. cause is why
// it does not go on to the file's end.
func (r *recovery) scanSegment(s *segment) (cause, err error) {
	size := r.sizes[s.base]
	if s.size == size {
		return nil, nil
	}
	f, err := r.fsys.Open(s.path + logSuffix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.index == nil && s.size == 0 { // begun after the checkpoint, and below the log's start by now
		s.index = newSegmentIndex()
	}
	sc := newScanner(f, s.size, size, r.l.end)
	interval, nowMs := r.l.cfg.Load().IndexInterval, time.Now().UnixMilli()
	for {
		h, marker, err := sc.batch()
		switch {
		case err == io.EOF:
			return nil, nil
		case errors.Is(err, errBad):
			return err, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", f.Name(), err)
		}
		r.report.Scanned += int64(h.Size())
		if err := r.epoch(&h); err != nil {
			return err, nil
		}
		r.l.apply(s, &h, marker, interval, nowMs)
	}
}

// epoch checks a batch's leader epoch, which the checksum does not cover: epochs
// rise, and each is in the file leader-epochs before the first batch of it is
// written. Only where that file is missing are they taken from the batches.
func (r *recovery) epoch(h *record.Header) error {
	if h.LastOffset() < r.l.start {
		return nil // the file does not reach back to deleted records
	}
	if r.noEpochs {
		r.l.epochs = r.l.epochs.begin(h.LeaderEpoch, max(h.BaseOffset, r.l.start))
	}
	latest := r.l.epochs.latest()
	if h.LeaderEpoch < r.lastEpoch || h.LeaderEpoch > latest {
		return fmt.Errorf("%w: leader epoch %d at offset %d, after %d and up to %d", errBad, h.LeaderEpoch, h.BaseOffset, r.lastEpoch, latest)
	}
	r.lastEpoch = h.LeaderEpoch
	return nil
}

// cut ends the log in segment i, where there is no whole batch. Everything after
// is moved to quarantine/ first.
func (r *recovery) cut(i int, cause error) error {
	l := r.l
	s := l.segments[i]
	if l.end < r.durable {
		return &CorruptError{File: s.path + logSuffix, Position: s.size, Durable: r.durable, Cause: cause}
	}
	r.report.CutAt = l.end
	for k := len(l.segments) - 1; k > i; k-- {
		if err := r.moveSegment(l.segments[k]); err != nil {
			return err
		}
	}
	l.segments = l.segments[:i+1]
	if err := l.removeFiles(s.path, indexSuffix, timesSuffix, abortedSuffix); err != nil { // of a longer segment
		return err
	}
	if err := r.cutTail(s); err != nil {
		return err
	}
	l.disk.o.Logger.Warn("the unfinished end of a partition was cut off",
		"log", l.id.String(), "offset", l.end, "bytes", r.report.CutBytes, "kept", r.report.Kept, "cause", cause)
	return nil
}

// moveSegment sets a whole segment aside; its caches go.
func (r *recovery) moveSegment(s *segment) error {
	if r.sizes[s.base] == 0 {
		return r.l.removeSegment(s.path)
	}
	kept, err := r.l.disk.setAside(s.path+logSuffix, r.l.id.fileName(segmentName(s.base)+logSuffix))
	if err != nil {
		return onDisk("set aside segment", err)
	}
	r.report.Kept = append(r.report.Kept, kept)
	r.report.CutBytes += r.sizes[s.base]
	return r.l.removeSegment(s.path)
}

// cutTail sets aside what follows the last whole batch of a segment.
func (r *recovery) cutTail(s *segment) error {
	size := r.sizes[s.base]
	if s.size == size {
		return nil
	}
	f, err := r.fsys.OpenAppend(s.path + logSuffix)
	if err != nil {
		return onDisk("open segment", err)
	}
	kept, err := r.l.disk.copyAside(f, s.size, size, fmt.Sprintf("%s-at-%d", r.l.id.fileName(segmentName(s.base)+logSuffix), s.size))
	if err == nil {
		err = f.Truncate(s.size)
	}
	if err == nil {
		err = f.SyncData()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return onDisk("cut segment", err)
	}
	r.report.Kept = append(r.report.Kept, kept)
	r.report.CutBytes += size - s.size
	r.sizes[s.base] = s.size
	return nil
}
