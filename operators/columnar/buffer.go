package columnar

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Buffer is one growing column. Values are appended straight into slices that
// have Arrow's layout and are wrapped as an array once per batch, because a call
// of an Arrow builder per value costs ten times the store itself.
//
// The slices are exported for loops that fill many values at once; whoever does
// that calls SetLen afterwards. Reset keeps the memory, so an array made by Array
// is lent: it is valid until the next Reset or append.
type Buffer struct {
	Type Type

	I64  []int64   // Int64 and Timestamp
	F64  []float64 // Float64
	Bits []byte    // Bool, least significant bit first
	Off  []int32   // String, Bytes, JSON: one more than there are values
	Data []byte    // their bytes

	n     int
	valid []byte // bitmap; nil while there is no null
	nulls int
}

// NewBuffer makes an empty column with room for rows values.
func NewBuffer(t Type, rows int) *Buffer {
	b := &Buffer{}
	b.Reset(t)
	switch t.Kind {
	case Int64, Timestamp:
		b.I64 = make([]int64, 0, rows)
	case Float64:
		b.F64 = make([]float64, 0, rows)
	case Bool:
		b.Bits = make([]byte, 0, (rows+7)/8)
	default:
		b.Off = make([]int32, 1, rows+1)
		b.Data = make([]byte, 0, 16*rows)
	}
	return b
}

// Reset empties the column, which may change its type, and keeps its memory.
func (b *Buffer) Reset(t Type) {
	b.Type = t
	b.I64, b.F64, b.Bits, b.Data = b.I64[:0], b.F64[:0], b.Bits[:0], b.Data[:0]
	b.Off = append(b.Off[:0], 0)
	b.n, b.nulls, b.valid = 0, 0, b.valid[:0]
}

// Len is the number of values.
func (b *Buffer) Len() int { return b.n }

// Bytes is the memory that the values take.
func (b *Buffer) Bytes() int {
	return 8*(len(b.I64)+len(b.F64)) + len(b.Bits) + 4*len(b.Off) + len(b.Data) + len(b.valid)
}

// SetLen says that a loop has filled the exported slices up to n values, none of
// the new ones null.
func (b *Buffer) SetLen(n int) {
	if b.nulls > 0 {
		for i := b.n; i < n; i++ {
			b.setValid(i, true)
		}
	}
	b.n = n
}

// AppendInt64 appends to a column of Int64 or Timestamp.
func (b *Buffer) AppendInt64(v int64) {
	b.I64 = append(b.I64, v)
	b.added()
}

// AppendFloat64 appends to a column of Float64.
func (b *Buffer) AppendFloat64(v float64) {
	b.F64 = append(b.F64, v)
	b.added()
}

// AppendBool appends to a column of Bool.
func (b *Buffer) AppendBool(v bool) {
	b.bit(v)
	b.added()
}

// AppendBytes appends a copy of v to a column of String, Bytes or JSON.
func (b *Buffer) AppendBytes(v []byte) {
	b.Data = append(b.Data, v...)
	b.Off = append(b.Off, int32(len(b.Data)))
	b.added()
}

// AppendString is AppendBytes for a string.
func (b *Buffer) AppendString(v string) {
	b.Data = append(b.Data, v...)
	b.Off = append(b.Off, int32(len(b.Data)))
	b.added()
}

// AppendNull appends a null, whatever the type says about nulls.
func (b *Buffer) AppendNull() {
	switch b.Type.Kind {
	case Int64, Timestamp:
		b.I64 = append(b.I64, 0)
	case Float64:
		b.F64 = append(b.F64, 0)
	case Bool:
		b.bit(false)
	default:
		b.Off = append(b.Off, int32(len(b.Data)))
	}
	b.null()
}

// Truncate drops the values from n on, such as those of a row that failed.
func (b *Buffer) Truncate(n int) {
	if n >= b.n {
		return
	}
	for i := n; b.nulls > 0 && i < b.n; i++ {
		if !bitutil.BitIsSet(b.valid, i) {
			b.nulls--
		}
	}
	b.n = n
	switch b.Type.Kind {
	case Int64, Timestamp:
		b.I64 = b.I64[:n]
	case Float64:
		b.F64 = b.F64[:n]
	case Bool:
		b.Bits = b.Bits[:(n+7)/8]
	default:
		b.Off = b.Off[:n+1]
		b.Data = b.Data[:b.Off[n]]
	}
}

// AppendFrom appends the value of one row of an array of the same type.
func (b *Buffer) AppendFrom(src arrow.Array, row int) {
	if src.IsNull(row) {
		b.AppendNull()
		return
	}
	switch a := src.(type) {
	case *array.Int64:
		b.AppendInt64(a.Value(row))
	case *array.Timestamp:
		b.AppendInt64(int64(a.Value(row)))
	case *array.Float64:
		b.AppendFloat64(a.Value(row))
	case *array.Boolean:
		b.AppendBool(a.Value(row))
	case *array.String:
		b.AppendString(a.Value(row))
	case *array.Binary:
		b.AppendBytes(a.Value(row))
	default:
		panic(fmt.Sprintf("columnar: no column of %s", src.DataType()))
	}
}

// Gather appends the rows sel of an array of the same type, in order. A nil sel
// means all rows.
func (b *Buffer) Gather(src arrow.Array, sel []int32) {
	if sel == nil || src.NullN() > 0 {
		b.gatherSlow(src, sel)
		return
	}
	switch a := src.(type) {
	case *array.Int64:
		b.I64 = gather(b.I64, a.Int64Values(), sel)
	case *array.Timestamp:
		b.gatherTime(a, sel)
	case *array.Float64:
		b.F64 = gather(b.F64, a.Float64Values(), sel)
	case *array.Boolean:
		for _, i := range sel {
			b.bit(a.Value(int(i)))
			b.n++
		}
		b.n -= len(sel)
	case *array.String:
		b.gatherBytes(a.ValueOffsets(), a.Data().Buffers()[2], sel)
	case *array.Binary:
		b.gatherBytes(a.ValueOffsets(), a.Data().Buffers()[2], sel)
	default:
		panic(fmt.Sprintf("columnar: no column of %s", src.DataType()))
	}
	b.SetLen(b.n + len(sel))
}

func (b *Buffer) gatherSlow(src arrow.Array, sel []int32) {
	if sel == nil {
		for i := range src.Len() {
			b.AppendFrom(src, i)
		}
		return
	}
	for _, i := range sel {
		b.AppendFrom(src, int(i))
	}
}

func (b *Buffer) gatherTime(a *array.Timestamp, sel []int32) {
	vals, n := a.TimestampValues(), len(b.I64)
	b.I64 = slices.Grow(b.I64, len(sel))[:n+len(sel)]
	for j, i := range sel {
		b.I64[n+j] = int64(vals[i])
	}
}

func (b *Buffer) gatherBytes(off []int32, data *memory.Buffer, sel []int32) {
	var bytes []byte
	if data != nil {
		bytes = data.Bytes()
	}
	for _, i := range sel {
		b.Data = append(b.Data, bytes[off[i]:off[i+1]]...)
		b.Off = append(b.Off, int32(len(b.Data)))
	}
}

func gather[T any](dst, src []T, sel []int32) []T {
	n := len(dst)
	dst = slices.Grow(dst, len(sel))[:n+len(sel)]
	added := dst[n:]
	for j, i := range sel {
		added[j] = src[i]
	}
	return dst
}

// Array wraps the column. The array refers to the buffer's memory.
func (b *Buffer) Array() arrow.Array {
	var valid *memory.Buffer
	if b.nulls > 0 {
		valid = memory.NewBufferBytes(b.valid)
	}
	bufs := []*memory.Buffer{valid, nil}
	switch b.Type.Kind {
	case Int64, Timestamp:
		bufs[1] = memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(b.I64[:b.n]))
	case Float64:
		bufs[1] = memory.NewBufferBytes(arrow.Float64Traits.CastToBytes(b.F64[:b.n]))
	case Bool:
		bufs[1] = memory.NewBufferBytes(b.Bits)
	default:
		bufs[1] = memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(b.Off[:b.n+1]))
		bufs = append(bufs, memory.NewBufferBytes(b.Data))
	}
	return array.MakeFromData(array.NewData(b.Type.Arrow(), b.n, bufs, nil, b.nulls, 0))
}

// NullArray is a column of n nulls.
func NullArray(t Type, n int) arrow.Array {
	b := NewBuffer(t, n)
	for range n {
		b.AppendNull()
	}
	return b.Array()
}

func (b *Buffer) bit(v bool) {
	if b.n%8 == 0 {
		b.Bits = append(b.Bits, 0)
	}
	bitutil.SetBitTo(b.Bits, b.n, v)
}

func (b *Buffer) added() {
	if b.nulls > 0 {
		b.setValid(b.n, true)
	}
	b.n++
}

func (b *Buffer) null() {
	if b.nulls == 0 {
		b.valid = b.valid[:0]
		for i := range b.n {
			b.setValid(i, true)
		}
	}
	b.setValid(b.n, false)
	b.nulls++
	b.n++
}

func (b *Buffer) setValid(i int, v bool) {
	for len(b.valid) <= i/8 {
		b.valid = append(b.valid, 0)
	}
	bitutil.SetBitTo(b.valid, i, v)
}
