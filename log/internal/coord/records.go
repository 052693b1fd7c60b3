package coord

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/log/record"
)

// KV is one record that a core wants appended. A nil Value is a tombstone.
type KV struct {
	Key, Value []byte
}

// Batch is what a core appends in one go.
type Batch struct {
	TimestampMs int64
	// ProducerID and ProducerEpoch are those of the producer on whose behalf a
	// Transactional batch is written, else -1. There is no sequence: the coordinator's
	// own order is the only one.
	ProducerID    int64
	ProducerEpoch int16
	Transactional bool
	Records       []KV
}

// Encode returns a new record batch v2 without offsets.
func (b *Batch) Encode() []byte {
	var w record.Builder
	for _, r := range b.Records {
		w.Append(b.TimestampMs, r.Key, r.Value, nil)
	}
	h := record.Plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence = b.ProducerID, b.ProducerEpoch, -1
	if b.Transactional {
		h.Attributes |= record.AttrTransactional
	}
	return w.Finish(h)
}

// EncodeMarker returns the control batch of a marker.
func EncodeMarker(timestampMs int64, m Marker) []byte {
	c := record.Control{Marker: record.Abort, CoordinatorEpoch: m.CoordinatorEpoch}
	if m.Commit {
		c.Marker = record.Commit
	}
	return record.ControlBatch(c, m.ProducerID, m.ProducerEpoch, timestampMs)
}

// Record is a committed record of a core's partition, for replay. Its bytes belong to
// whoever gets it.
type Record struct {
	Offset     int64
	Key, Value []byte // Value is nil for a tombstone
	// ProducerID and ProducerEpoch are those of a Transactional or Control batch.
	ProducerID    int64
	ProducerEpoch int16
	Transactional bool
	// Control is a transaction marker, without key and value.
	Control          bool
	Commit           bool
	CoordinatorEpoch int32
}

// Decode calls f for every record of whole batches, in order, and returns the offset
// after the last batch, or next if there is none. It stops at f's first error.
func Decode(batches []byte, next int64, f func(Record) error) (int64, error) {
	var r record.Reader
	for len(batches) > 0 {
		batch, rest, err := record.Split(batches)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break // cut by the size limit of a read
		}
		if err != nil {
			return next, fmt.Errorf("read batch at offset %d: %w", next, err)
		}
		h, err := record.Check(batch, record.Limits{Sparse: true})
		if err != nil {
			return next, fmt.Errorf("read batch at offset %d: %w", next, err)
		}
		if err := decodeBatch(&r, &h, batch, f); err != nil {
			return next, err
		}
		batches, next = rest, h.LastOffset()+1
	}
	return next, nil
}

func decodeBatch(r *record.Reader, h *record.Header, batch []byte, f func(Record) error) error {
	out := Record{Offset: h.BaseOffset, ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch,
		Transactional: h.Transactional(), Control: h.Control()}
	if out.Control {
		if h.Count == 0 {
			return nil // compaction has taken the marker
		}
		c, err := record.ParseControl(batch)
		if err != nil {
			return fmt.Errorf("read marker at offset %d: %w", h.BaseOffset, err)
		}
		out.Commit, out.CoordinatorEpoch = c.Marker == record.Commit, c.CoordinatorEpoch
		return f(out)
	}
	if err := r.Reset(batch); err != nil {
		return fmt.Errorf("read batch at offset %d: %w", h.BaseOffset, err)
	}
	var rec record.Record
	for r.Next(&rec) {
		out.Offset = rec.Offset
		out.Key, out.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		if err := f(out); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("read batch at offset %d: %w", h.BaseOffset, err)
	}
	return nil
}
