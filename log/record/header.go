// Package record is Kafka's record batch v2: how it is built, checked, walked and
// compressed. It imports nothing of ours and does no I/O.
//
// A batch is the unit of everything in the log. A producer builds one, the broker
// stamps its base offset and leader epoch (both outside the checksum), storage
// keeps the rest as it came, a consumer walks it.
//
//	var b record.Builder
//	b.Append(nowMs, key, value, nil)
//	batch := b.Finish(record.Plain())
//
//	h, err := record.Check(batch, record.Limits{MaxBytes: 1 << 20})
//	var r record.Reader
//	err = r.Reset(batch)
//	for rec := (record.Record{}); r.Next(&rec); { … }
//	err = r.Err()
//
// Nothing here trusts a length that it has not compared with the bytes at hand.
// Magic 0 and 1 are refused by name and never converted.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Layout of a batch, big endian:
//
//	 0  base offset             int64   outside the checksum
//	 8  length                  int32   of everything after this field
//	12  partition leader epoch  int32   outside the checksum
//	16  magic                   int8    2
//	17  crc                     uint32  CRC-32C of everything after this field
//	21  attributes              int16
//	23  last offset delta       int32
//	27  base timestamp          int64   milliseconds
//	35  max timestamp           int64   milliseconds
//	43  producer id             int64   -1 is none
//	51  producer epoch          int16
//	53  base sequence           int32
//	57  record count            int32
//	61  records, compressed as the attributes say
const (
	// HeaderSize is the number of bytes before the first record.
	HeaderSize = 61
	// Magic is the only version of the format that is served.
	Magic = 2
	// ChecksumFrom is where the checksum of a batch begins.
	ChecksumFrom = atAttributes

	atLength        = 8
	atLeaderEpoch   = 12
	atMagic         = 16
	atCRC           = 17
	atAttributes    = 21
	atLastDelta     = 23
	atBaseTimestamp = 27
	atMaxTimestamp  = 35
	atProducerID    = 43
	atProducerEpoch = 51
	atBaseSequence  = 53
	atCount         = 57

	lengthOverhead = 12 // bytes that the length field does not count
)

// Attribute bits. The lowest three are the Codec.
const (
	AttrAppendTime    int16 = 1 << 3 // every record's timestamp is MaxTimestamp, set by the broker
	AttrTransactional int16 = 1 << 4
	AttrControl       int16 = 1 << 5
	AttrDeleteHorizon int16 = 1 << 6 // BaseTimestamp is when tombstones and markers may go (KIP-534)

	attrCodec int16 = 7
)

// Kinds of bad bytes. Every error of this package wraps one of them, or, for a
// batch that ends too early, io.ErrUnexpectedEOF.
var (
	// ErrCorrupt is a checksum, length, count or varint that cannot be.
	ErrCorrupt = errors.New("corrupt record batch")
	// ErrMagic is a message format other than 2.
	ErrMagic = errors.New("unsupported message format")
	// ErrTooLarge is a batch above the caller's limit, before or after decompression.
	ErrTooLarge = errors.New("record batch too large")
	// ErrCodec is a compression that does not exist.
	ErrCodec = errors.New("unsupported compression codec")
)

// Header is everything of a batch but its records.
type Header struct {
	BaseOffset int64
	// Length counts the bytes after itself; Size is the whole batch.
	Length      int32
	LeaderEpoch int32
	// Magic is 2.
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32
	// BaseTimestamp and MaxTimestamp are in milliseconds since 1970; -1 is none.
	BaseTimestamp int64
	MaxTimestamp  int64
	// ProducerID is -1 for a producer that is not idempotent.
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	// Count is the number of records. Compaction may make it smaller than
	// LastOffsetDelta+1, and 0.
	Count int32
}

// Plain is the header of a batch without an idempotent producer, to give to
// Builder.Finish. The zero Header is not that: it names producer 0.
func Plain() Header {
	return Header{LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
}

// Codec is how the records are compressed.
func (h *Header) Codec() Codec { return Codec(h.Attributes & attrCodec) }

// Transactional reports whether the batch belongs to a transaction.
func (h *Header) Transactional() bool { return h.Attributes&AttrTransactional != 0 }

// Control reports whether the batch is a marker and not data.
func (h *Header) Control() bool { return h.Attributes&AttrControl != 0 }

// AppendTime reports whether the broker set the timestamps.
func (h *Header) AppendTime() bool { return h.Attributes&AttrAppendTime != 0 }

// LastOffset is the offset of the last record, also if compaction removed it.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// LastSequence is the producer sequence of the last record, -1 if there is none.
// Sequences wrap from 2147483647 to 0.
func (h *Header) LastSequence() int32 {
	if h.BaseSequence < 0 {
		return -1
	}
	return NextSequence(h.BaseSequence, h.LastOffsetDelta)
}

// Size is the length of the whole batch in bytes.
func (h *Header) Size() int { return int(h.Length) + lengthOverhead }

// NextSequence is the producer sequence n after seq, with the wrap.
func NextSequence(seq, n int32) int32 { return int32((int64(seq) + int64(n)) & math.MaxInt32) }

// ParseHeader reads the first 61 bytes of b. It checks the magic and that the
// length is at least a header's; it does not look at what follows. A b that is
// too short is io.ErrUnexpectedEOF.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < atCRC {
		return Header{}, cut(HeaderSize, len(b))
	}
	if m := int8(b[atMagic]); m != Magic {
		return Header{}, fmt.Errorf("%w: magic %d at offset %d, only %d is served",
			ErrMagic, m, int64(binary.BigEndian.Uint64(b)), Magic)
	}
	if len(b) < HeaderSize {
		return Header{}, cut(HeaderSize, len(b))
	}
	h := decodeHeader(b[:HeaderSize])
	if h.Length < HeaderSize-lengthOverhead || h.Length > math.MaxInt32-lengthOverhead {
		return Header{}, fmt.Errorf("%w: length %d at offset %d", ErrCorrupt, h.Length, h.BaseOffset)
	}
	return h, nil
}

func decodeHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{
		BaseOffset:      int64(binary.BigEndian.Uint64(b)),
		Length:          int32(binary.BigEndian.Uint32(b[atLength:])),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])),
		Magic:           int8(b[atMagic]),
		CRC:             binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:      int16(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[atLastDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[atProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[atProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[atBaseSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[atCount:])),
	}
}

// Put writes h over the first 61 bytes of b as it is, its CRC included.
func (h *Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint64(b, uint64(h.BaseOffset))
	binary.BigEndian.PutUint32(b[atLength:], uint32(h.Length))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(h.LeaderEpoch))
	b[atMagic] = byte(h.Magic)
	binary.BigEndian.PutUint32(b[atCRC:], h.CRC)
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(h.ProducerID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(h.ProducerEpoch))
	binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(h.BaseSequence))
	binary.BigEndian.PutUint32(b[atCount:], uint32(h.Count))
}

// SetBaseOffset stamps a batch in place; the checksum does not cover it.
func SetBaseOffset(batch []byte, offset int64) { binary.BigEndian.PutUint64(batch, uint64(offset)) }

// SetLeaderEpoch stamps a batch in place; the checksum does not cover it.
func SetLeaderEpoch(batch []byte, epoch int32) {
	binary.BigEndian.PutUint32(batch[atLeaderEpoch:], uint32(epoch))
}
