package record

import "slices"

// Builder makes batches. The zero value is ready; Reset keeps the memory for the
// next batch. It is not for concurrent use.
//
// The records are encoded where they will stay, behind room for the header, so
// that an uncompressed batch is never copied.
type Builder struct {
	buf        []byte // HeaderSize bytes of room, then records
	count      int32
	base, last int64 // timestamps of the first record and the highest
	packed     []byte
	compressor Compressor
}

// Reset forgets the records. Slices from Finish become invalid.
func (b *Builder) Reset() { b.buf, b.count = b.buf[:0], 0 }

// Len is the number of records.
func (b *Builder) Len() int { return int(b.count) }

// Size is the length in bytes of the batch so far, uncompressed.
func (b *Builder) Size() int { return max(len(b.buf), HeaderSize) }

// Append adds a record and copies its parts. A nil key or value is null, an empty
// one is not; a header's key is never null. The caller looks at Size: a batch
// must stay below 2 GiB.
func (b *Builder) Append(timestampMs int64, key, value []byte, headers []KV) {
	if b.count == 0 {
		b.start(timestampMs)
	}
	b.last = max(b.last, timestampMs)
	delta := timestampMs - b.base
	size := 1 + sizeVarint(delta) + sizeVarint(int64(b.count)) +
		sizeBytes(key) + sizeBytes(value) + sizeVarint(int64(len(headers)))
	for i := range headers {
		size += sizeKey(headers[i].Key) + sizeBytes(headers[i].Value)
	}
	at := len(b.buf)
	b.buf = slices.Grow(b.buf, size+sizeVarint(int64(size)))
	p := b.buf[at:cap(b.buf)]
	n := putVarint(p, int64(size))
	p[n] = 0 // attributes
	n++
	n += putVarint(p[n:], delta)
	n += putVarint(p[n:], int64(b.count))
	n += putBytes(p[n:], key)
	n += putBytes(p[n:], value)
	n += putVarint(p[n:], int64(len(headers)))
	for i := range headers {
		n += putVarint(p[n:], int64(len(headers[i].Key)))
		n += copy(p[n:], headers[i].Key)
		n += putBytes(p[n:], headers[i].Value)
	}
	b.buf = b.buf[:at+n]
	b.count++
}

func (b *Builder) start(timestampMs int64) {
	b.buf = slices.Grow(b.buf[:0], HeaderSize)[:HeaderSize]
	b.base, b.last = timestampMs, timestampMs
}

// Finish is the batch with the offset, epochs, attributes, producer and sequence
// of h (Plain for none of these); the rest of the header is computed. The codec is
// the one in h.Attributes; records that it does not make smaller stay as they
// are. It is nil if there are no records. The slice is the builder's, valid until the next Reset or Append;
// base offset and leader epoch may be stamped into it.
func (b *Builder) Finish(h Header) []byte {
	if b.count == 0 {
		return nil
	}
	batch := b.buf
	if codec := h.Codec(); codec != None {
		batch = b.compress(codec)
	}
	if len(batch) == len(b.buf) {
		batch = b.buf
		h.Attributes &^= attrCodec
	}
	h.Length = int32(len(batch) - lengthOverhead)
	h.Magic = Magic
	h.LastOffsetDelta = b.count - 1
	h.BaseTimestamp, h.MaxTimestamp = b.base, b.last
	h.Count = b.count
	h.Put(batch)
	h.CRC = Checksum(batch)
	h.Put(batch)
	return batch
}

// compress is the batch in the second buffer, or the first if that is not larger.
func (b *Builder) compress(codec Codec) []byte {
	b.packed = slices.Grow(b.packed[:0], HeaderSize)[:HeaderSize]
	packed, err := b.compressor.Compress(b.packed, codec, b.buf[HeaderSize:])
	if err != nil || len(packed) >= len(b.buf) {
		return b.buf
	}
	b.packed = packed
	return packed
}

func sizeBytes(p []byte) int {
	if p == nil {
		return 1
	}
	return sizeKey(p)
}

func sizeKey(p []byte) int { return sizeVarint(int64(len(p))) + len(p) }

func putBytes(b, p []byte) int {
	if p == nil {
		b[0] = 1 // -1
		return 1
	}
	n := putVarint(b, int64(len(p)))
	return n + copy(b[n:], p)
}
