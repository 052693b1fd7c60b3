package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// minRecordSize is an empty record: length, attributes, timestamp delta, offset
// delta, key length, value length and header count, one byte each.
const minRecordSize = 7

// Limits is what a batch may be.
type Limits struct {
	// MaxBytes bounds the whole batch; 0 is no bound.
	MaxBytes int
	// Sparse admits what compaction leaves: fewer records than offsets, even none.
	Sparse bool
}

// Check verifies the first batch of b: magic, lengths, checksum, codec and record
// count. Records are not walked (Reader does that, and trusts none of it). The
// batch is b[:h.Size()]; what follows is not looked at. It costs one CRC, about
// 8 ns for 200 bytes, and does not allocate but for an error.
func Check(b []byte, l Limits) (Header, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, err
	}
	if l.MaxBytes > 0 && h.Size() > l.MaxBytes {
		return h, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, h.Size(), l.MaxBytes)
	}
	if h.Size() > len(b) {
		return h, cut(h.Size(), len(b))
	}
	if sum := Checksum(b[:h.Size()]); sum != h.CRC {
		return h, fmt.Errorf("%w: checksum %08x at offset %d, the header says %08x", ErrCorrupt, sum, h.BaseOffset, h.CRC)
	}
	return h, h.check(l)
}

// CheckCounts is the part of Check that can be told from the header alone, for
// stored batches: codec, counts and offsets.
func (h *Header) CheckCounts() error { return h.check(Limits{Sparse: true}) }

func (h *Header) check(l Limits) error {
	switch {
	case h.Codec() > Zstd:
		return fmt.Errorf("%w: %d", ErrCodec, h.Codec())
	case h.LastOffsetDelta < 0 || h.Count < 0 || int64(h.Count) > int64(h.LastOffsetDelta)+1:
		return fmt.Errorf("%w: %d records with last offset delta %d", ErrCorrupt, h.Count, h.LastOffsetDelta)
	case !l.Sparse && int64(h.Count) != int64(h.LastOffsetDelta)+1:
		return fmt.Errorf("%w: %d records for %d offsets", ErrCorrupt, h.Count, int64(h.LastOffsetDelta)+1)
	case h.BaseOffset > math.MaxInt64-int64(h.LastOffsetDelta)-1:
		return fmt.Errorf("%w: base offset %d", ErrCorrupt, h.BaseOffset)
	case h.Codec() == None && int64(h.Count)*minRecordSize > int64(h.Size()-HeaderSize):
		return fmt.Errorf("%w: %d records in %d bytes", ErrCorrupt, h.Count, h.Size()-HeaderSize)
	}
	return nil
}

// Checksum is the CRC-32C of a whole batch, over the attributes to the end.
func Checksum(batch []byte) uint32 { return crc32.Checksum(batch[atAttributes:], castagnoli) }

// ChecksumParts is Checksum of a header and the records after it, for a caller
// whose header is a copy.
func ChecksumParts(header, records []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[atAttributes:HeaderSize], castagnoli), castagnoli, records)
}

// Split takes the first batch off b by its length, unchecked but for the magic
// and the length. A b that ends within the batch, as the last one of a fetch may,
// is io.ErrUnexpectedEOF; an empty b is io.EOF.
func Split(b []byte) (batch, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, io.EOF
	}
	if len(b) < atCRC {
		return nil, b, cut(HeaderSize, len(b))
	}
	if int8(b[atMagic]) != Magic {
		_, err := ParseHeader(b)
		return nil, b, err
	}
	length := int64(int32(binary.BigEndian.Uint32(b[atLength:])))
	if length < HeaderSize-lengthOverhead {
		return nil, b, fmt.Errorf("%w: length %d", ErrCorrupt, length)
	}
	if length+lengthOverhead > int64(len(b)) {
		return nil, b, cut(int(length+lengthOverhead), len(b))
	}
	n := int(length + lengthOverhead)
	return b[:n:n], b[n:], nil
}

func cut(want, have int) error {
	return fmt.Errorf("record batch of %d bytes is cut after %d: %w", want, have, io.ErrUnexpectedEOF)
}
