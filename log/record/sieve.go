package record

import (
	"fmt"
	"math"
	"slices"
)

// Sieve takes records out of stored batches, as compaction does. What is left has
// its offset, so the batch keeps its first and last one, its producer and its
// sequences, and has gaps in between; that is legal, and every reader knows it.
//
// The zero value is ready; the memory is kept for the next batch. It is not for
// concurrent use.
type Sieve struct {
	// MaxBytes bounds what a batch may decompress to, as Reader.MaxBytes.
	MaxBytes int

	reader     Reader
	kept       []byte // records that stay, uncompressed
	out        []byte // the batch
	compressor Compressor
}

// Sifted is what a Sieve has left of a batch.
type Sifted struct {
	// Batch is nil if no record is left (see Envelope), and the given slice if every
	// one is and nothing was stamped; else it is the Sieve's, until the next call.
	Batch []byte
	// Kept and Tombstones are the records left, and those of them that have a key
	// and no value.
	Kept, Tombstones int
}

// Sift leaves the records of a batch for which keep is true. With a horizon, in
// milliseconds, a batch in which tombstones are left, or a marker, and which has
// no horizon yet, gets it (KIP-534): BaseTimestamp is the horizon then, and the
// records' own timestamps stay what they are.
//
// The checksum of the batch is not looked at. The result has the same codec and a
// checksum of its own.
func (s *Sieve) Sift(batch []byte, horizonMs int64, keep func(*Record) bool) (Sifted, error) {
	s.reader.MaxBytes = s.MaxBytes
	if err := s.reader.Reset(batch); err != nil {
		return Sifted{}, err
	}
	h := s.reader.header
	var r Sifted
	maxMs := int64(math.MinInt64)
	s.kept = s.kept[:0]
	for {
		before := s.reader.rest
		var rec Record
		if !s.reader.Next(&rec) {
			break
		}
		if !keep(&rec) {
			continue
		}
		r.Kept++
		if rec.Key != nil && rec.Value == nil {
			r.Tombstones++
		}
		maxMs = max(maxMs, rec.Timestamp)
		s.kept = append(s.kept, before[:len(before)-len(s.reader.rest)]...)
	}
	if err := s.reader.Err(); err != nil {
		return Sifted{}, err
	}
	stamp := horizonMs > 0 && h.Attributes&AttrDeleteHorizon == 0 && (r.Tombstones > 0 || h.Control())
	switch {
	case r.Kept == 0:
		return r, nil
	case r.Kept == int(h.Count) && !stamp:
		r.Batch = batch
		return r, nil
	case stamp:
		s.rebase(h.BaseTimestamp, horizonMs)
		h.BaseTimestamp = horizonMs
		h.Attributes |= AttrDeleteHorizon
	}
	h.Count = int32(r.Kept)
	if !h.AppendTime() {
		h.MaxTimestamp = maxMs
	}
	var err error
	r.Batch, err = s.finish(h)
	return r, err
}

// rebase writes the timestamps of the kept records relative to another one.
func (s *Sieve) rebase(from, to int64) {
	rest := s.kept
	s.out = s.out[:0]
	for len(rest) > 0 {
		length, n := varint(rest) // Reader has been here: nothing can be wrong
		body := rest[n : n+int(length)]
		rest = rest[n+int(length):]
		delta, k := varint(body[1:])
		delta += from - to
		tail := body[1+k:]
		size := 1 + sizeVarint(delta) + len(tail)
		at := len(s.out)
		s.out = slices.Grow(s.out, size+sizeVarint(int64(size)))[:at+size+sizeVarint(int64(size))]
		p := s.out[at:]
		i := putVarint(p, int64(size))
		p[i] = body[0]
		i++
		i += putVarint(p[i:], delta)
		copy(p[i:], tail)
	}
	s.kept, s.out = s.out, s.kept
}

// finish is the batch of a header and the kept records.
func (s *Sieve) finish(h Header) ([]byte, error) {
	out := slices.Grow(s.out[:0], HeaderSize)[:HeaderSize]
	out, err := s.compressor.Compress(out, h.Codec(), s.kept)
	if err != nil {
		return nil, err
	}
	s.out = out
	if len(out) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(out))
	}
	seal(out, h)
	return out, nil
}

// Envelope is a batch without records that has the offsets, the producer and the
// sequences of another: what compaction keeps of a producer's last batch. Its
// timestamps are the highest that the other had. The slice is the caller's.
func Envelope(h Header) []byte {
	h.Attributes &^= attrCodec | AttrDeleteHorizon
	h.Count, h.BaseTimestamp = 0, h.MaxTimestamp
	b := make([]byte, HeaderSize)
	seal(b, h)
	return b
}

// seal writes a header over the start of a batch, with its length and checksum.
func seal(b []byte, h Header) {
	h.Length = int32(len(b) - lengthOverhead)
	h.Put(b)
	h.CRC = Checksum(b)
	h.Put(b)
}

// DeleteHorizon is when a batch's tombstones, or its marker, may go, in
// milliseconds since 1970; ok is false if it has none yet (KIP-534).
func (h *Header) DeleteHorizon() (horizonMs int64, ok bool) {
	return h.BaseTimestamp, h.Attributes&AttrDeleteHorizon != 0
}
