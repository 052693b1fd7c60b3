package meta

import (
	"encoding/binary"
	"fmt"
)

// Tag is a field that was added to a record after its version was fixed and that
// this program does not know.
type Tag struct {
	Number uint64
	Value  []byte
}

// encoder appends fields. It cannot fail.
type encoder struct{ b []byte }

func (e *encoder) uvarint(v uint64)  { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) varint(v int64)    { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) id(v ID)           { e.b = append(e.b, v[:]...) }
func (e *encoder) string(v string)   { e.uvarint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) int32s(vs []int32) { encodeList(e, vs, func(v int32) { e.varint(int64(v)) }) }

func (e *encoder) bool(v bool) {
	if v {
		e.uvarint(1)
	} else {
		e.uvarint(0)
	}
}

// tags ends a body.
func (e *encoder) tags(tags []Tag) {
	encodeList(e, tags, func(t Tag) {
		e.uvarint(t.Number)
		e.string(string(t.Value))
	})
}

func encodeList[T any](e *encoder, list []T, one func(T)) {
	e.uvarint(uint64(len(list)))
	for _, v := range list {
		one(v)
	}
}

// decoder reads fields. After the first failure every read gives zero and err
// stays. It copies what it returns.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, why)
		d.b = nil
	}
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("no varint")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("no varint")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// ranged is a varint that must lie in [lo, hi].
func (d *decoder) ranged(lo, hi int64) int64 {
	v := d.varint()
	if v < lo || v > hi {
		d.fail("number out of range")
		return 0
	}
	return v
}

func (d *decoder) int32() int32 { return int32(d.ranged(-1<<31, 1<<31-1)) }
func (d *decoder) int16() int16 { return int16(d.ranged(-1<<15, 1<<15-1)) }

func (d *decoder) bool() bool {
	v := d.uvarint()
	if v > 1 {
		d.fail("neither true nor false")
	}
	return v == 1
}

func (d *decoder) id() ID {
	if len(d.b) < len(ID{}) {
		d.fail("no id")
		return ID{}
	}
	id := ID(d.b)
	d.b = d.b[len(id):]
	return id
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > maxStringBytes || n > uint64(len(d.b)) {
		d.fail("string too long")
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) int32s() []int32 { return decodeList(d, 1, d.int32) }

func (d *decoder) tags() []Tag {
	last := int64(-1)
	return decodeList(d, 2, func() Tag {
		t := Tag{Number: d.uvarint(), Value: []byte(d.string())}
		if t.Number > 1<<32 || int64(t.Number) <= last {
			d.fail("tags out of order")
		}
		last = int64(t.Number)
		return t
	})
}

// decodeList reads a counted list whose elements take minBytes each at least.
func decodeList[T any](d *decoder, minBytes uint64, one func() T) []T {
	n := d.uvarint()
	if n > uint64(len(d.b))/minBytes {
		d.fail("list longer than the record")
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]T, 0, n)
	for range n {
		list = append(list, one())
	}
	return list
}
