package broker

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// shape is the wire layout of one struct of a request at one version: enough to
// walk a frame without decoding it.
//
// The decoder of kmsg trusts lengths: an array of n elements is allocated when n
// bytes are left, although an element takes more than one, and unknown tags are
// counted up to four billion. A hand-written layout of every request would be a
// second copy of the protocol that can be wrong. So the layout is found by asking
// kmsg itself: for every field of the Go struct, does a change of it change the
// encoding, and how? That happens once per key and version.
//
// Invariants, each checked by a test over every registered key and version:
//
//  1. A frame that kmsg encodes is walked exactly to its end.
//  2. What walk returns is at least what decoding the frame allocates.
//  3. walk itself allocates nothing.
type shape struct {
	fields   []shapeField
	flexible bool
	// knownTags is the number of tagged fields that kmsg decodes; Kafka numbers them
	// from 0.
	knownTags uint32
	// minBytes is the least that one such struct takes on the wire.
	minBytes int
	// goSize is what one such struct takes in memory.
	goSize int64
}

type fieldKind uint8

const (
	kindFixed  fieldKind = iota // width bytes
	kindString                  // copied by the decoder
	kindBytes                   // aliased by the decoder
	kindStruct                  // elem, inline
	kindArray                   // of elem if it is set, of strings or of width bytes
	kindStrings
	kindNullable // a byte that says whether elem follows
)

type shapeField struct {
	kind     fieldKind
	width    int
	pointer  bool // a nullable string
	elem     *shape
	elemSize int64 // in memory
}

var shapes sync.Map // shapeKey -> *shape

type shapeKey struct{ key, version int16 }

// shapeOf is the layout of a request's body. The key must be one that kmsg knows.
func shapeOf(key, version int16) *shape {
	k := shapeKey{key, version}
	if s, ok := shapes.Load(k); ok {
		return s.(*shape)
	}
	p := prober{key: key, version: version}
	s, _ := shapes.LoadOrStore(k, p.probe(reflect.TypeOf(kmsg.RequestForKey(key)).Elem(), nil))
	return s.(*shape)
}

// prober finds a request's shape by encoding variations of it.
type prober struct{ key, version int16 }

// encode makes a request, descends along path (field indexes; every array on the
// way gets one element, every struct is entered, one that may be null is there),
// lets change alter the struct found there, and encodes the whole.
func (p prober) encode(path []int, change func(reflect.Value)) []byte {
	req := kmsg.RequestForKey(p.key)
	req.SetVersion(p.version)
	v := reflect.ValueOf(req).Elem()
	for _, i := range path {
		f := v.Field(i)
		if f.Kind() == reflect.Slice {
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			f = f.Index(0)
			f.Addr().MethodByName("Default").Call(nil)
		}
		if f.Kind() == reflect.Pointer {
			fillPointer(f)
			f = f.Elem()
		}
		v = f
	}
	change(v)
	return req.AppendTo(nil)
}

// fillPointer points a field at a struct of defaults.
func fillPointer(f reflect.Value) {
	f.Set(reflect.New(f.Type().Elem()))
	f.MethodByName("Default").Call(nil)
}

func (p prober) probe(t reflect.Type, path []int) *shape {
	req := kmsg.RequestForKey(p.key)
	req.SetVersion(p.version)
	s := &shape{flexible: req.IsFlexible(), goSize: int64(t.Size())}
	for i := range t.NumField() {
		name := t.Field(i).Name
		if name == "Version" && len(path) == 0 || name == "UnknownTags" {
			continue
		}
		f, presence := p.probeField(t.Field(i).Type, path, i)
		switch presence {
		case regular:
			s.fields = append(s.fields, f)
			s.minBytes += f.minBytes(s.flexible)
		case tagged:
			s.knownTags++
		}
	}
	if s.flexible {
		s.minBytes++ // the number of tags
	}
	return s
}

type presence uint8

const (
	absent presence = iota // this version does not have the field
	regular
	tagged
)

func (p prober) probeField(t reflect.Type, path []int, i int) (shapeField, presence) {
	with := func(set func(reflect.Value)) []byte {
		return p.encode(path, func(v reflect.Value) { set(v.Field(i)) })
	}
	none := with(func(reflect.Value) {})
	// compare two values whose encodings differ by delta bytes if the field is
	// present and not tagged.
	compare := func(a, b []byte, delta int) presence {
		switch {
		case bytes.Equal(a, b):
			return absent
		case len(b)-len(a) == delta:
			return regular
		}
		return tagged
	}
	isString := t.Kind() == reflect.String || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.String
	switch {
	case isString:
		long := "five5"
		set := func(f reflect.Value) {
			if f.Kind() == reflect.Pointer {
				f.Set(reflect.ValueOf(&long))
				return
			}
			f.SetString(long)
		}
		return shapeField{kind: kindString, pointer: t.Kind() == reflect.Pointer}, compare(none, with(set), len(long))
	case t == reflect.TypeFor[[]byte]():
		set := func(f reflect.Value) { f.SetBytes([]byte("five5")) }
		empty := with(func(f reflect.Value) { f.SetBytes([]byte{}) })
		return shapeField{kind: kindBytes}, compare(empty, with(set), 5)
	case t.Kind() == reflect.Slice:
		return p.probeArray(t, path, i, with)
	case t.Kind() == reflect.Struct:
		return p.probeStruct(t, path, i, none)
	case t.Kind() == reflect.Pointer:
		return p.probeNullable(t.Elem(), path, i, none, with(fillPointer))
	}
	set := func(f reflect.Value) { flip(f) }
	return shapeField{kind: kindFixed, width: int(t.Size())}, compare(none, with(set), 0)
}

// probeArray compares no, one and two elements: in an array the second costs as
// much as the first, in a tagged field the first also pays for the tag.
func (p prober) probeArray(t reflect.Type, path []int, i int, with func(func(reflect.Value)) []byte) (shapeField, presence) {
	elements := func(n int) []byte {
		return with(func(f reflect.Value) {
			f.Set(reflect.MakeSlice(t, n, n))
			for j := range n {
				if d := f.Index(j).Addr().MethodByName("Default"); d.IsValid() {
					d.Call(nil)
				}
			}
		})
	}
	zero, one, two := elements(0), elements(1), elements(2)
	if bytes.Equal(zero, one) {
		return shapeField{}, absent
	}
	if len(two)-len(one) != len(one)-len(zero) {
		return shapeField{}, tagged
	}
	f := shapeField{kind: kindArray, elemSize: int64(t.Elem().Size())}
	switch t.Elem().Kind() {
	case reflect.Struct:
		f.elem = p.probe(t.Elem(), append(path[:len(path):len(path)], i))
	case reflect.String:
		f.kind = kindStrings
	case reflect.Slice, reflect.Pointer, reflect.Map:
		panic(fmt.Sprintf("broker: key %d has an array of %v, which shape does not know", p.key, t.Elem()))
	default:
		f.width = int(t.Elem().Size())
	}
	return f, regular
}

// probeStruct finds out by the struct's own fields whether it is there.
func (p prober) probeStruct(t reflect.Type, path []int, i int, none []byte) (shapeField, presence) {
	inner := append(path[:len(path):len(path)], i)
	for j := range t.NumField() {
		if t.Field(j).Name == "UnknownTags" || !t.Field(j).Type.Comparable() || t.Field(j).Type.Kind() == reflect.Pointer {
			continue
		}
		changed := p.encode(inner, func(v reflect.Value) {
			if f := v.Field(j); f.Kind() == reflect.String {
				f.SetString("x")
			} else {
				flip(f)
			}
		})
		switch {
		case bytes.Equal(none, changed):
			continue
		case len(none) == len(changed) || t.Field(j).Type.Kind() == reflect.String && len(changed) == len(none)+1:
			return shapeField{kind: kindStruct, elem: p.probe(t, inner)}, regular
		}
		return shapeField{}, tagged
	}
	return shapeField{}, absent
}

// probeNullable compares null with a struct of defaults: where a byte stands for the
// null, the struct adds what its fields take; where a tag does, also the tag.
func (p prober) probeNullable(t reflect.Type, path []int, i int, null, there []byte) (shapeField, presence) {
	if bytes.Equal(null, there) {
		return shapeField{}, absent
	}
	elem := p.probe(t, append(path[:len(path):len(path)], i))
	if len(there)-len(null) != elem.minBytes {
		return shapeField{}, tagged
	}
	return shapeField{kind: kindNullable, elem: elem}, regular
}

// flip changes a value of fixed width into another one.
func flip(f reflect.Value) {
	switch f.Kind() {
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.SetInt(f.Int() ^ 5)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.SetUint(f.Uint() ^ 5)
	case reflect.Float64:
		f.SetFloat(f.Float() + 5)
	case reflect.Array:
		flip(f.Index(0))
	default:
		panic(fmt.Sprintf("broker: shape does not know fields of type %v", f.Type()))
	}
}

func (f *shapeField) minBytes(flexible bool) int {
	switch f.kind {
	case kindFixed:
		return f.width
	case kindStruct:
		return f.elem.minBytes
	case kindNullable:
		return 1
	case kindString:
		if !flexible {
			return 2
		}
	default:
		if !flexible {
			return 4
		}
	}
	return 1
}
