package expr

import (
	"errors"
	"math/bits"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// output turns a vec into an Arrow array whose buffers stay this Eval's: they are
// lent until the next call and then used again.
type output struct {
	validity []byte
	bits     []byte
	off      []int32
	data     []byte
	lent     vec // values that the last array refers to
}

// giveBack returns the buffers of the last array to the pools.
func (o *output) giveBack(e *Eval) {
	e.release(&o.lent)
	o.lent = vec{}
	if cap(o.data) > maxKeptText {
		o.data = nil
	}
}

// array wraps v. It takes over what v owns where the array refers to it.
func (o *output) array(e *Eval, v *vec, k kind, sel []int32) (arrow.Array, error) {
	dt := typ{kind: k}.columnar().Arrow()
	values := []*memory.Buffer{nil, nil, nil}[:2]
	nulls := 0
	values[0], nulls = o.packValidity(e, v)
	switch k.lane() {
	case laneTri:
		o.bits = packBits(o.bits, e.n, v.tri, v.mask, 1, triTrue)
		values[1] = memory.NewBufferBytes(o.bits)
	case laneText:
		if err := o.packText(e, v, sel); err != nil {
			return nil, err
		}
		values = append(values, memory.NewBufferBytes(o.data))
		values[1] = memory.NewBufferBytes(rawBytes(o.off[:e.n+1]))
	case laneInt:
		o.lent = e.spread(v, laneInt)
		values[1] = memory.NewBufferBytes(rawBytes(o.lent.ints[:e.n]))
	case laneFloat:
		o.lent = e.spread(v, laneFloat)
		values[1] = memory.NewBufferBytes(rawBytes(o.lent.floats[:e.n]))
	}
	data := array.NewData(dt, e.n, values, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// spread is v as a full column: a constant is repeated, what is owned moves over.
func (e *Eval) spread(v *vec, l lane) vec {
	if v.mask != 0 {
		out := *v
		out.nulls, out.own = nil, v.own&ownValues
		v.own &^= ownValues
		return out
	}
	out := e.newVec(l)
	for i := range out.ints {
		out.ints[i] = v.ints[0]
	}
	for i := range out.floats {
		out.floats[i] = v.floats[0]
	}
	return out
}

// packValidity is the validity bitmap, nil if nothing is null, and the null count.
func (o *output) packValidity(e *Eval, v *vec) (*memory.Buffer, int) {
	switch {
	case v.tri != nil:
		o.validity = packBits(o.validity, e.n, v.tri, v.mask, 2, 0)
	case v.nulls != nil:
		o.validity = packBits(o.validity, e.n, v.nulls, v.mask, 1, 0)
	default:
		return nil, 0
	}
	valid := 0
	for _, b := range o.validity {
		valid += bits.OnesCount8(b)
	}
	if valid == e.n {
		return nil, 0
	}
	return memory.NewBufferBytes(o.validity), e.n - valid
}

// packBits writes a bitmap of n bits: bit i says whether src[i&mask]&and == want.
func packBits(dst []byte, n int, src []uint8, mask int32, and, want uint8) []byte {
	dst = append(dst[:0], make([]byte, (n+7)/8)...)
	for i := range n {
		if src[int32(i)&mask]&and == want {
			dst[i>>3] |= 1 << (i & 7)
		}
	}
	return dst
}

// maxBatchText bounds the text that one call computes, maxKeptText what an Eval
// keeps for the next. Smaller batches get by where a large one does not.
const (
	maxBatchText = 256 << 20
	maxKeptText  = 16 << 20
)

var errTooMuchText = errors.New("the text computed for one batch exceeds 256 MiB")

// packText copies the text of the rows of sel into one buffer.
func (o *output) packText(e *Eval, v *vec, sel []int32) error {
	if cap(o.off) < e.n+1 {
		o.off = make([]int32, e.n+1, e.n+e.n/4+8)
	}
	o.off, o.data = o.off[:e.n+1], o.data[:0]
	next := 0
	for _, i := range e.rows(sel) {
		for ; next <= int(i); next++ {
			o.off[next] = int32(len(o.data))
		}
		if v.isNull(i) {
			continue
		}
		s := v.str(i)
		if len(o.data)+len(s) > e.maxText {
			return errTooMuchText
		}
		o.data = append(o.data, s...)
	}
	for ; next <= e.n; next++ {
		o.off[next] = int32(len(o.data))
	}
	return nil
}

// rawBytes is the memory of a slice of numbers.
func rawBytes[T int32 | int64 | float64](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}
