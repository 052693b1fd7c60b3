package broker

import (
	"encoding/binary"
	"errors"
)

// Limits of a request's unknown tagged fields. No client sends any today; they
// exist so that a newer client can talk to an older broker.
const (
	maxUnknownTags     = 64
	maxUnknownTagBytes = 4 << 10
)

// Rough costs of decoding, each at or above what the runtime takes.
const (
	costDecoder = 64  // what kmsg's decoder takes for itself
	costString  = 16  // beyond the bytes, rounding to a size class
	costPointer = 16  // a nullable string's header
	costTagMap  = 512 // the map of a struct's first unknown tag
	costTag     = 96  // each further one
)

var errMalformed = errors.New("malformed request")

// walker walks one frame.
type walker struct {
	src []byte
	weight
	tags     int
	tagBytes int
}

// weight is what a request puts on the broker.
type weight struct {
	// cost is what decoding it allocates at most, in bytes.
	cost int64
	// elements is the number of array elements; each gets its part of the answer.
	elements int64
}

// walk checks that body begins as s says and weighs it. Array lengths are compared
// with the bytes that are left and unknown tags with their limits. What follows the
// last field is ignored, as in Kafka: librdkafka up to 2.16 leaves three bytes behind
// a Metadata request for all topics. The decoder does not look at it either.
func (s *shape) walk(body []byte) (weight, error) {
	w := walker{src: body, weight: weight{cost: s.goSize*9/8 + costString + costDecoder}}
	if !w.structure(s) {
		return weight{}, errMalformed
	}
	return w.weight, nil
}

func (w *walker) structure(s *shape) bool {
	for i := range s.fields {
		if !w.field(&s.fields[i], s.flexible) {
			return false
		}
	}
	return !s.flexible || w.tagSection(s.knownTags)
}

func (w *walker) field(f *shapeField, flexible bool) bool {
	switch f.kind {
	case kindFixed:
		return w.skip(f.width)
	case kindStruct:
		return w.structure(f.elem)
	case kindNullable:
		return w.nullable(f.elem)
	case kindString:
		n, ok := w.stringLen(flexible)
		if f.pointer {
			w.cost += costPointer
		}
		return ok && (n >= 0 || f.pointer) && w.text(n)
	case kindBytes:
		n, ok := w.length(flexible)
		return ok && w.skip(max(n, 0))
	}
	return w.array(f, flexible)
}

// nullable is a struct behind a byte that is -1 if there is none. The decoder takes
// every other byte for yes.
func (w *walker) nullable(s *shape) bool {
	if len(w.src) == 0 {
		return false
	}
	there := int8(w.src[0]) != -1
	w.src = w.src[1:]
	if !there {
		return true
	}
	w.cost += s.goSize*9/8 + costPointer
	return w.structure(s)
}

func (w *walker) array(f *shapeField, flexible bool) bool {
	n, ok := w.length(flexible)
	if !ok || n <= 0 {
		return ok
	}
	least := f.width
	switch {
	case f.elem != nil:
		least = f.elem.minBytes
	case f.kind == kindStrings && flexible:
		least = 1
	case f.kind == kindStrings:
		least = 2
	}
	if n > len(w.src)/max(least, 1) {
		return false
	}
	w.elements += int64(n)
	w.cost += int64(n)*f.elemSize*9/8 + costString // size classes waste up to an eighth
	if f.elem == nil && f.kind == kindArray {
		return w.skip(n * f.width)
	}
	for range n {
		if f.elem != nil {
			if !w.structure(f.elem) {
				return false
			}
			continue
		}
		l, ok := w.stringLen(flexible)
		if !ok || l < 0 || !w.text(l) {
			return false
		}
	}
	return true
}

// tagSection skips tagged fields. They must rise, as Kafka demands, so that no
// known one is decoded twice.
func (w *walker) tagSection(known uint32) bool {
	n, ok := w.uvarint()
	if !ok || int64(n) > int64(len(w.src)/2) {
		return false
	}
	last := int64(-1)
	unknown := 0
	for range n {
		tag, ok1 := w.uvarint()
		size, ok2 := w.uvarint()
		if !ok1 || !ok2 || int64(tag) <= last || uint64(size) > uint64(len(w.src)) {
			return false
		}
		last = int64(tag)
		w.src = w.src[size:]
		if tag < known {
			w.cost += int64(size)*8 + 64
			continue
		}
		unknown++
		w.tags++
		w.tagBytes += int(size)
		w.cost += costTag
		if w.tags > maxUnknownTags || w.tagBytes > maxUnknownTagBytes {
			return false
		}
	}
	if unknown > 0 {
		w.cost += costTagMap
	}
	return true
}

func (w *walker) text(n int) bool {
	if n > 0 {
		w.cost += int64(n)*9/8 + costString
	}
	return w.skip(max(n, 0))
}

// stringLen reads a string's length; -1 is null.
func (w *walker) stringLen(flexible bool) (int, bool) {
	if flexible {
		return w.length(true)
	}
	if len(w.src) < 2 {
		return 0, false
	}
	n := int16(binary.BigEndian.Uint16(w.src))
	w.src = w.src[2:]
	return int(n), n >= -1
}

// length reads the length of an array or of bytes; -1 is null.
func (w *walker) length(flexible bool) (int, bool) {
	if flexible {
		n, ok := w.uvarint()
		return int(n) - 1, ok && n <= 1<<31-1
	}
	if len(w.src) < 4 {
		return 0, false
	}
	n := int32(binary.BigEndian.Uint32(w.src))
	w.src = w.src[4:]
	return int(n), n >= -1
}

func (w *walker) uvarint() (uint32, bool) {
	var v uint64
	for i := 0; i < 5 && i < len(w.src); i++ {
		b := w.src[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			w.src = w.src[i+1:]
			return uint32(v), v <= 1<<32-1
		}
	}
	return 0, false
}

func (w *walker) skip(n int) bool {
	if n > len(w.src) {
		return false
	}
	w.src = w.src[n:]
	return true
}
