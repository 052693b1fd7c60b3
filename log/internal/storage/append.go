package storage

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/millrace/millrace/log/record"
)

// plannedBatch is a batch on its way into the log.
type plannedBatch struct {
	header record.Header // with its final offset and epoch
	marker record.Control
	raw    []byte // as it was given
	stamp  bool   // header differs from raw's in more than offset and epoch
}

// Append writes batches at the end and returns where they went; it does not wait
// for the disk, but at the start of a segment whose last but one is not synced
// yet. Every batch is checked first (checksum, lengths, counts, size), then its
// producer's epoch and sequence. Batches are borrowed until Append returns and
// never written to: base offset, leader epoch and, where configured, the append
// time go into storage's own copy of the header. Nothing is appended if it fails.
//
// A client gives one batch, or several without a producer id. Errors are the
// kinds of this package; see IsBadBatch for the client's fault.
func (l *Log) Append(batches []byte, o AppendOptions) (Ticket, error) {
	if err := l.admit(batches, o.Origin); err != nil {
		return Ticket{}, l.settle("append to", err)
	}
	l.writing.lock()
	t, err := l.append(batches, o)
	l.writing.unlock()
	if err != nil {
		return Ticket{}, l.settle("append to", err)
	}
	if !t.Duplicate {
		l.disk.commit.add(l)
	}
	return t, nil
}

// admit checks what needs no lock: every batch by itself, and the disk's space.
func (l *Log) admit(batches []byte, origin Origin) error {
	if len(batches) == 0 {
		return fmt.Errorf("%w: no batch", ErrInvalidRecord)
	}
	limits := record.Limits{Sparse: origin == Replication}
	if origin == Client {
		limits.MaxBytes = l.cfg.Load().MaxBatchBytes
		if err := l.disk.admitClient(len(batches)); err != nil {
			return err
		}
	}
	for rest := batches; len(rest) > 0; {
		h, err := record.Check(rest, limits)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", record.ErrCorrupt, err)
		}
		if err == nil && origin == Client {
			err = admitClientBatch(&h, len(batches))
		}
		if err != nil {
			return err
		}
		rest = rest[h.Size():]
	}
	return nil
}

// admitClientBatch refuses what only the broker may write.
func admitClientBatch(h *record.Header, total int) error {
	switch {
	case h.Control():
		return fmt.Errorf("%w: a client sent a control batch", ErrInvalidRecord)
	case h.AppendTime():
		return fmt.Errorf("%w: a client set the append time", ErrInvalidRecord)
	case h.ProducerID < 0 && h.Transactional():
		return fmt.Errorf("%w: transactional without a producer id", ErrInvalidRecord)
	case h.ProducerID < 0:
		return nil
	case h.ProducerEpoch < 0 || h.BaseSequence < 0:
		return fmt.Errorf("%w: producer %d with epoch %d and sequence %d", ErrInvalidRecord, h.ProducerID, h.ProducerEpoch, h.BaseSequence)
	case h.Size() != total:
		return fmt.Errorf("%w: several batches of producer %d at once", ErrInvalidRecord, h.ProducerID)
	}
	return nil
}

// append needs writing.
func (l *Log) append(batches []byte, o AppendOptions) (Ticket, error) {
	defer func() { clear(l.planned) }() // it refers to the caller's bytes
	now := time.Now()
	t, done, err := l.plan(batches, o, now.UnixMilli())
	if err != nil || done {
		return t, err
	}
	last := &l.planned[len(l.planned)-1].header
	if err := l.beginEpochs(); err != nil {
		return t, err
	}
	if l.mustRoll(int64(len(batches)), last.LastOffset(), now) {
		if err := l.roll(); err != nil {
			return t, err
		}
	}
	if err := l.openActive(); err != nil {
		return t, err
	}
	if err := l.write(batches, o.Origin); err != nil {
		return t, err
	}
	l.stage(batches, o.Origin, l.publish(now.UnixMilli()))
	l.disk.spend(len(batches))
	l.disk.counted.appended.Add(int64(len(batches)))
	return t, nil
}

// plan gives every batch its place, and checks its producer. done reports a
// duplicate. Needs writing; nothing changes.
func (l *Log) plan(batches []byte, o AppendOptions, nowMs int64) (t Ticket, done bool, err error) {
	appendTime := o.Origin == Client && l.cfg.Load().AppendTime
	l.planned = l.planned[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return t, false, err
	}
	t = Ticket{LogStart: l.start, AppendTimeMs: -1}
	next, epoch := l.end, l.epochs.latest()
	for rest := batches; len(rest) > 0; {
		h, err := record.ParseHeader(rest)
		if err != nil {
			return t, false, err
		}
		p := plannedBatch{header: h, raw: rest[:h.Size()]}
		rest = rest[h.Size():]
		if o.Origin != Replication {
			p.header.BaseOffset, p.header.LeaderEpoch = next, o.LeaderEpoch
		}
		if err := place(&p.header, next, epoch); err != nil {
			return t, false, err
		}
		if h.Control() && h.Count > 0 {
			if p.marker, err = record.ParseControl(p.raw); err != nil {
				return t, false, err
			}
		}
		seen, err := l.producers.check(&p.header, p.marker, o.Origin)
		if err != nil {
			return t, false, err
		}
		if seen != nil {
			t.BaseOffset, t.LastOffset, t.Duplicate = seen.firstOffset, seen.offset, true
			if appendTime {
				t.AppendTimeMs = seen.timestampMs
			}
			return t, true, nil
		}
		if appendTime {
			p.header.Attributes |= record.AttrAppendTime
			p.header.MaxTimestamp = nowMs
			p.stamp = true
			t.AppendTimeMs = nowMs
		}
		next, epoch = p.header.LastOffset()+1, p.header.LeaderEpoch
		l.planned = append(l.planned, p)
	}
	t.BaseOffset, t.LastOffset = l.planned[0].header.BaseOffset, next-1
	return t, false, nil
}

// place checks that a batch goes on where the log ends.
func place(h *record.Header, next int64, epoch int32) error {
	switch {
	case h.BaseOffset < next:
		return fmt.Errorf("%w: batch at offset %d, the log ends at %d", ErrOffsetOutOfRange, h.BaseOffset, next)
	case h.LeaderEpoch < epoch:
		return fmt.Errorf("%w: leader epoch %d, the log has %d", ErrStaleEpoch, h.LeaderEpoch, epoch)
	case h.BaseOffset > math.MaxInt64-int64(h.LastOffsetDelta)-1:
		return fmt.Errorf("%w: no offset is left", ErrOffsetOutOfRange)
	}
	return nil
}

// beginEpochs makes the planned batches' new leader epochs durable before them.
// Needs writing.
func (l *Log) beginEpochs() error {
	l.mu.Lock()
	was := l.epochs
	l.mu.Unlock()
	c := was
	for i := range l.planned {
		c = c.begin(l.planned[i].header.LeaderEpoch, l.planned[i].header.BaseOffset)
	}
	if c.latest() == was.latest() {
		return nil
	}
	return l.storeEpochs(c)
}

// mustRoll decides whether the next batches begin a new segment. Needs writing.
func (l *Log) mustRoll(sizeBytes, lastOffset int64, now time.Time) bool {
	cfg := l.cfg.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.segments[len(l.segments)-1]
	return s.size > 0 && (s.size+sizeBytes > cfg.SegmentBytes ||
		lastOffset-s.base > math.MaxInt32 ||
		now.UnixMilli()-s.firstMs > cfg.SegmentAge.Milliseconds())
}
