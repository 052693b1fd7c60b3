package expr

import "unsafe"

// The three states of a boolean in a column.
const (
	triFalse uint8 = 0
	triTrue  uint8 = 1
	triNull  uint8 = 2
)

// vec is a column of values while an expression is evaluated.
//
// The simple way, an Arrow array per intermediate result, costs a builder, two
// bitmaps and a wrapper for each operation. A vec is plain slices from a pool:
//
//  1. Rows keep their physical index: the value of row i stands at i&mask, where
//     mask is -1 for a column and 0 for a constant, so that one loop serves both.
//  2. Exactly one of ints, floats, tri, and text is set, by the kind's lane. Text
//     is views (text) or Arrow's layout (off and data), never both.
//  3. nulls is nil if no row is null, else 1 for null rows. In tri, null is a third
//     value and nulls is nil.
//  4. Rows outside the selection that a node was asked for hold garbage that is safe
//     to compute on, but must not be reported or copied.
//  5. own says which slices came from the Eval's pools and go back on release.
//     Columns of the batch, constants and variables are never owned.
type vec struct {
	mask   int32
	own    owned
	ints   []int64
	floats []float64
	tri    []uint8
	text   []string
	off    []int32
	data   []byte
	nulls  []uint8
}

type owned uint8

const (
	ownValues owned = 1 << iota
	ownNulls
)

// str is the text at row i.
func (v *vec) str(i int32) string {
	i &= v.mask
	if v.text != nil {
		return v.text[i]
	}
	return view(v.data, v.off[i], v.off[i+1])
}

// view is data[from:to] as a string without a copy. The bytes must not change
// while it is used: they belong to the batch, which is lent for the call.
func view(data []byte, from, to int32) string {
	b := data[from:to]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// isNull says whether row i is null; not for tri.
func (v *vec) isNull(i int32) bool { return v.nulls != nil && v.nulls[i&v.mask] != 0 }

// cell is what a lane holds.
type cell interface {
	int64 | float64 | uint8 | string
}

// laneOf is the slice of v that holds cells of type T. Text in Arrow's layout must
// have been turned into views before (Eval.views).
func laneOf[T cell](v *vec) *[]T {
	var zero *[]T
	switch any(zero).(type) {
	case *[]int64:
		return any(&v.ints).(*[]T)
	case *[]float64:
		return any(&v.floats).(*[]T)
	case *[]uint8:
		return any(&v.tri).(*[]T)
	default:
		return any(&v.text).(*[]T)
	}
}

// pool hands out slices of one type and takes them back. Slices are reused
// without clearing.
type pool[T any] struct {
	free  [][]T
	least int // capacity of new slices, so that the smallest request makes one that serves all
}

// get returns a slice of length n, never nil.
func (p *pool[T]) get(n int) []T {
	if k := len(p.free) - 1; k >= 0 {
		s := p.free[k]
		p.free = p.free[:k]
		if cap(s) >= n {
			return s[:n]
		}
	}
	size := max(n, p.least)
	return make([]T, n, size+size/4+8)
}

func (p *pool[T]) put(s []T) { p.free = append(p.free, s) }
