package expr

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"github.com/millrace/millrace/operators/columnar"
)

// column reads a column of the batch.
type column struct {
	base
	index int
}

func (c *column) columns(e *Eval, _ []int32) vec {
	if !e.have[c.index] {
		e.cols[c.index] = e.load(e.b.Cols[c.index])
		e.have[c.index] = true
	}
	v := e.cols[c.index]
	v.own = 0
	return v
}

func (c *column) row(e *Eval, i int32) (value, *Fault) {
	arr := e.b.Cols[c.index]
	if arr.IsNull(int(i)) {
		return nullValue, nil
	}
	switch a := arr.(type) {
	case *array.Boolean:
		return boolValue(a.Value(int(i))), nil
	case *array.Int64:
		return value{i: a.Value(int(i))}, nil
	case *array.Timestamp:
		return value{i: int64(a.Value(int(i)))}, nil
	case *array.Float64:
		return value{f: a.Value(int(i))}, nil
	case *array.String:
		return value{s: a.Value(int(i))}, nil
	case *array.Binary:
		return value{s: a.ValueString(int(i))}, nil
	}
	panic(fmt.Sprintf("expr: column %T passed checkColumn", arr))
}

// checkColumn says whether column c of the batch is what the schema says.
func checkColumn(b *columnar.Batch, c int, want columnar.Column) error {
	arr := b.Cols[c]
	if arr == nil {
		return fmt.Errorf("column %q is not in the batch", want.Name)
	}
	if arr.DataType().ID() != want.Type.Arrow().ID() {
		return fmt.Errorf("column %q holds %s, not %s", want.Name, arr.DataType(), want.Type)
	}
	if arr.Len() < b.Rows {
		return fmt.Errorf("column %q has %d rows, the batch %d", want.Name, arr.Len(), b.Rows)
	}
	return nil
}

// load is an Arrow array as a vec. Values are shared; a bitmap becomes bytes.
func (e *Eval) load(arr arrow.Array) vec {
	v := vec{mask: -1}
	switch a := arr.(type) {
	case *array.Boolean:
		e.loadBool(&v, a)
		return v
	case *array.Int64:
		v.ints = a.Int64Values()
	case *array.Timestamp:
		ts := a.TimestampValues()
		v.ints = unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(ts))), len(ts))
	case *array.Float64:
		v.floats = a.Float64Values()
	case *array.String:
		v.off, v.data = a.ValueOffsets(), bufferBytes(a, 2)
	case *array.Binary:
		v.off, v.data = a.ValueOffsets(), bufferBytes(a, 2)
	}
	if len(v.off) == 0 && v.ints == nil && v.floats == nil {
		v.off = []int32{0} // an empty text array may have no offsets at all
	}
	if arr.NullN() > 0 {
		v.nulls = e.bytes.get(e.n)
		v.own = ownNulls
		unpack(v.nulls, arr.NullBitmapBytes(), arr.Data().Offset(), 1)
	}
	return v
}

// bufferBytes is a whole buffer, from before the array's offset. An empty array may
// have none.
func bufferBytes(a arrow.Array, which int) []byte {
	if b := a.Data().Buffers()[which]; b != nil {
		return b.Bytes()
	}
	return nil
}

func (e *Eval) loadBool(v *vec, a *array.Boolean) {
	v.tri = e.bytes.get(e.n)
	v.own = ownValues
	off := a.Data().Offset()
	unpack(v.tri, bufferBytes(a, 1), off, 0)
	if a.NullN() == 0 {
		return
	}
	valid := a.NullBitmapBytes()
	for i := range v.tri {
		if !bitutil.BitIsSet(valid, off+i) {
			v.tri[i] = triNull
		}
	}
}

// unpack writes the bits from offset off as bytes, each xor flip.
func unpack(dst []uint8, bits []byte, off int, flip uint8) {
	for i := range dst {
		at := off + i
		dst[i] = bits[at>>3]>>(at&7)&1 ^ flip
	}
}
