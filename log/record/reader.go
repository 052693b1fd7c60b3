package record

import (
	"fmt"
	"math"
)

// Record is one record of a batch. Its slices alias the batch, or the Reader's
// own memory if the batch was compressed, and are valid until the Reader's next
// Reset.
type Record struct {
	Offset int64
	// Timestamp is in milliseconds since 1970; -1 is none.
	Timestamp int64
	// Key and Value are nil for null, which an empty slice is not.
	Key, Value []byte
	// HeaderCount is how many headers the record says it has.
	HeaderCount int

	headers []byte
}

// Headers walks the record's headers.
func (r *Record) Headers() Headers { return Headers{left: r.HeaderCount, rest: r.headers} }

// KV is one header of a record. A nil Value is null.
type KV struct {
	Key   []byte
	Value []byte
}

// Headers is an iterator over a record's headers.
type Headers struct {
	// KV is the current header.
	KV

	left int
	rest []byte
	bad  bool
}

// Next goes to the next header. It is false at the end and at bytes that are no
// header, which Err tells apart.
func (h *Headers) Next() bool {
	if h.left == 0 || h.bad {
		h.bad = h.bad || len(h.rest) != 0
		return false
	}
	h.left--
	var ok bool
	if h.Key, h.rest, ok = bytesField(h.rest); ok && h.Key != nil {
		if h.Value, h.rest, ok = bytesField(h.rest); ok {
			return true
		}
	}
	h.bad = true
	return false
}

// Err is ErrCorrupt if the headers ended badly.
func (h *Headers) Err() error {
	if h.bad {
		return fmt.Errorf("%w: record headers", ErrCorrupt)
	}
	return nil
}

// Reader walks the records of one batch after another, without allocating once
// its buffers have grown. The zero value is ready; it is not for concurrent use.
type Reader struct {
	// MaxBytes bounds what a batch may decompress to, besides Budget; 0 is 64 MiB.
	MaxBytes int

	header     Header
	rest       []byte
	left       int32
	lastDelta  int64
	err        error
	decompress Decompressor
	buf        []byte
}

const defaultMaxBytes = 64 << 20

// Reset starts on a batch and decompresses it. It trusts lengths and counts to
// the bytes at hand but does not compute the checksum: that is Check's part, once.
// Batch must stay unchanged until the next Reset.
func (r *Reader) Reset(batch []byte) error {
	r.rest, r.left, r.lastDelta, r.err = nil, 0, -1, nil
	h, err := ParseHeader(batch)
	if err == nil && h.Size() > len(batch) {
		err = cut(h.Size(), len(batch))
	}
	if err == nil {
		err = h.CheckCounts()
	}
	if err != nil {
		r.err = err
		return err
	}
	r.header, r.left = h, h.Count
	r.rest = batch[HeaderSize:h.Size()]
	if h.Codec() == None {
		return nil
	}
	limit := r.MaxBytes
	if limit == 0 {
		limit = defaultMaxBytes
	}
	r.buf, err = r.decompress.Decompress(r.buf[:0], h.Codec(), r.rest, Budget(len(r.rest), limit))
	if err == nil && int64(h.Count)*minRecordSize > int64(len(r.buf)) {
		err = fmt.Errorf("%w: %d records in %d bytes", ErrCorrupt, h.Count, len(r.buf))
	}
	if err != nil {
		r.left, r.err = 0, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
		return r.err
	}
	r.rest = r.buf
	return nil
}

// Header is that of the current batch.
func (r *Reader) Header() *Header { return &r.header }

// Next fills rec with the next record. It is false at the end and at bytes that
// are no record, which Err tells apart.
func (r *Reader) Next(rec *Record) bool {
	return r.quick(rec) || r.careful(rec)
}

// quick reads a record as nearly all are: no header, lengths and deltas of at most
// three bytes, and not the last bytes of the batch, so that no read needs a bound
// of its own. Anything else, faults included, it leaves as it is to careful.
func (r *Reader) quick(rec *Record) bool {
	b := r.rest
	if r.left == 0 || len(b) < shortBytes {
		return false
	}
	length, p := short(b, 0)
	end := p + int(length>>1)
	if p == 0 || length&1 != 0 || p >= end || end+shortBytes > len(b) {
		return false
	}
	timestamp, p := short(b, p+1) // after the attributes
	if p == 0 || p > end {
		return false
	}
	offset, p := short(b, p)
	delta := int64(offset >> 1)
	if p == 0 || p > end || offset&1 != 0 || delta <= r.lastDelta || delta > int64(r.header.LastOffsetDelta) {
		return false
	}
	var key, value []byte
	size, p := short(b, p)
	if size != 1 { // -1 is null
		from, to := p, p+int(size>>1)
		if p == 0 || size&1 != 0 || to > end {
			return false
		}
		key, p = b[from:to:to], to
	}
	size, p = short(b, p)
	if size != 1 {
		from, to := p, p+int(size>>1)
		if p == 0 || size&1 != 0 || to > end {
			return false
		}
		value, p = b[from:to:to], to
	}
	if p >= end || b[p] != 0 || p+1 != end {
		return false
	}
	r.rest, r.lastDelta = b[end:], delta
	r.left--
	rec.Key, rec.Value, rec.HeaderCount, rec.headers = key, value, 0, nil
	rec.Offset = r.header.BaseOffset + delta
	rec.Timestamp = r.header.BaseTimestamp + (int64(timestamp>>1) ^ -int64(timestamp&1))
	if r.header.Attributes&AttrAppendTime != 0 {
		rec.Timestamp = r.header.MaxTimestamp
	}
	return true
}

// careful reads any record, and alone finds faults.
func (r *Reader) careful(rec *Record) bool {
	if r.left == 0 {
		if len(r.rest) != 0 && r.err == nil {
			r.fail("bytes after the last record")
		}
		return false
	}
	length, n := varint(r.rest)
	if n == 0 || length < 0 || length > int64(len(r.rest)-n) {
		return r.fail("record length")
	}
	body := r.rest[n : n+int(length)]
	r.rest = r.rest[n+int(length):]
	r.left--
	if len(body) == 0 {
		return r.fail("record without attributes")
	}
	body = body[1:] // attributes: none is defined
	timestampDelta, n := varint(body)
	if n == 0 {
		return r.fail("timestamp delta")
	}
	body = body[n:]
	delta, n := varint(body)
	if n == 0 || delta <= r.lastDelta || delta > int64(r.header.LastOffsetDelta) {
		return r.fail("offset delta")
	}
	r.lastDelta = delta
	body = body[n:]
	var ok bool
	if rec.Key, body, ok = bytesField(body); !ok {
		return r.fail("key length")
	}
	if rec.Value, body, ok = bytesField(body); !ok {
		return r.fail("value length")
	}
	headers, n := varint(body)
	if n == 0 || headers < 0 || headers > int64(len(body)-n)/2 || headers == 0 && len(body) != n {
		return r.fail("header count")
	}
	rec.HeaderCount, rec.headers = int(headers), body[n:]
	rec.Offset = r.header.BaseOffset + delta
	rec.Timestamp = r.header.BaseTimestamp + timestampDelta
	if r.header.Attributes&AttrAppendTime != 0 {
		rec.Timestamp = r.header.MaxTimestamp
	}
	return true
}

// Err is nil if the batch was walked to its end, or so far without a fault.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(what string) bool {
	r.err = fmt.Errorf("%w: %s of record %d in the batch at offset %d",
		ErrCorrupt, what, r.header.Count-r.left, r.header.BaseOffset)
	r.left, r.rest = 0, nil
	return false
}

// bytesField reads a length and as many bytes; length -1 is nil.
func bytesField(b []byte) (field, rest []byte, ok bool) {
	length, n := varint(b)
	if n == 0 || length < -1 || length > int64(len(b)-n) || length > math.MaxInt32 {
		return nil, nil, false
	}
	b = b[n:]
	if length < 0 {
		return nil, b, true
	}
	return b[:length:length], b[length:], true
}
