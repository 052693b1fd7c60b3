package record

import (
	"encoding/binary"
	"fmt"
)

// Marker is the kind of a control batch.
type Marker int16

// The markers of a transaction. Others exist in Apache Kafka's own metadata log.
const (
	Abort  Marker = 0
	Commit Marker = 1
)

// String is the marker's name.
func (m Marker) String() string {
	switch m {
	case Abort:
		return "abort"
	case Commit:
		return "commit"
	}
	return fmt.Sprintf("marker(%d)", int16(m))
}

// Control is what the one record of a control batch says: key (version, marker),
// value (version, coordinator epoch).
type Control struct {
	Marker Marker
	// CoordinatorEpoch is the epoch of the transaction coordinator that wrote a
	// commit or abort; a partition refuses one below the highest it has seen. It
	// is -1 for other markers.
	CoordinatorEpoch int32
}

const (
	controlKeySize   = 4
	controlValueSize = 6
)

// ControlBatch is the batch that ends a producer's transaction in one partition,
// with base offset 0. The slice is the caller's.
func ControlBatch(c Control, producerID int64, producerEpoch int16, timestampMs int64) []byte {
	key := binary.BigEndian.AppendUint16(make([]byte, 0, controlKeySize), 0)
	key = binary.BigEndian.AppendUint16(key, uint16(c.Marker))
	value := binary.BigEndian.AppendUint16(make([]byte, 0, controlValueSize), 0)
	value = binary.BigEndian.AppendUint32(value, uint32(c.CoordinatorEpoch))
	var b Builder
	b.Append(timestampMs, key, value, nil)
	return b.Finish(Header{
		Attributes:    AttrTransactional | AttrControl,
		ProducerID:    producerID,
		ProducerEpoch: producerEpoch,
		BaseSequence:  -1,
	})
}

// ParseControl reads a control batch. One that compaction has emptied is
// ErrCorrupt; look at Header.Count first where that can be.
func ParseControl(batch []byte) (Control, error) {
	var r Reader
	if err := r.Reset(batch); err != nil {
		return Control{}, err
	}
	var rec Record
	if !r.header.Control() || !r.Next(&rec) || len(rec.Key) < controlKeySize {
		return Control{}, fmt.Errorf("%w: no control record at offset %d", ErrCorrupt, r.header.BaseOffset)
	}
	c := Control{Marker: Marker(binary.BigEndian.Uint16(rec.Key[2:])), CoordinatorEpoch: -1}
	if c.Marker != Abort && c.Marker != Commit {
		return c, nil
	}
	if len(rec.Value) < controlValueSize {
		return c, fmt.Errorf("%w: %v marker of %d bytes at offset %d", ErrCorrupt, c.Marker, len(rec.Value), rec.Offset)
	}
	c.CoordinatorEpoch = int32(binary.BigEndian.Uint32(rec.Value[2:]))
	return c, nil
}
