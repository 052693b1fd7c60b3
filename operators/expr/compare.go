package expr

import "cmp"

// cmpOp is a comparison.
type cmpOp uint8

const (
	cmpEq cmpOp = iota
	cmpNe
	cmpLt
	cmpLe
	cmpGt
	cmpGe
)

var cmpOps = map[string]cmpOp{"==": cmpEq, "!=": cmpNe, "<": cmpLt, "<=": cmpLe, ">": cmpGt, ">=": cmpGe}

// flip is the comparison with its operands exchanged.
func (op cmpOp) flip() cmpOp {
	return [...]cmpOp{cmpEq, cmpNe, cmpGt, cmpGe, cmpLt, cmpLe}[op]
}

// holds compares two cells. Floats compare as IEEE 754 says: NaN equals nothing.
func holds[T cmp.Ordered](op cmpOp, a, b T) bool {
	switch op {
	case cmpEq:
		return a == b
	case cmpNe:
		return a != b
	case cmpLt:
		return a < b
	case cmpLe:
		return a <= b
	case cmpGt:
		return a > b
	default:
		return a >= b
	}
}

// b2i is 1 for true; the compiler makes it a flag-to-register move, not a branch.
func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// number is what the fast comparisons work on.
type number interface{ int64 | float64 }

// compare is a comparison of two numbers of one lane: integers, timestamps and
// durations (T is int64) or floats. A constant stands on the right.
type compare[T number] struct {
	base
	op   cmpOp
	l, r node
}

func newCompare[T number](op cmpOp, l, r node, from, to int) *compare[T] {
	if _, ok := l.(*constant); ok {
		l, r, op = r, l, op.flip()
	}
	return &compare[T]{base: newBase(typ{kBool, nullable(l, r)}, from, to, costLoop, l, r), op: op, l: l, r: r}
}

func (n *compare[T]) row(e *Eval, i int32) (value, *Fault) {
	a, b, fault := twoRows(e, n.l, n.r, i)
	if fault != nil || a.null || b.null {
		return nullValue, fault
	}
	return boolValue(holds(n.op, cellOf[T](&a), cellOf[T](&b))), nil
}

func (n *compare[T]) columns(e *Eval, sel []int32) vec {
	a, b := n.l.columns(e, sel), n.r.columns(e, sel)
	out := e.newVec(laneTri)
	x, y := *laneOf[T](&a), *laneOf[T](&b)
	switch {
	case a.mask == 0:
		for i := range out.tri {
			out.tri[i] = uint8(b2i(holds(n.op, x[0], y[int32(i)&b.mask])))
		}
	case b.mask == 0:
		triConst(n.op, out.tri, x[:e.n], y[0])
	default:
		triLoop(n.op, out.tri, x[:e.n], y[:e.n])
	}
	e.nullTri(&out, &a, &b)
	e.release(&a)
	e.release(&b)
	return out
}

// nullTri writes triNull where an operand is null.
func (e *Eval) nullTri(out *vec, args ...*vec) {
	nulls := e.nullsOf(args...)
	if nulls == nil {
		return
	}
	for i, isNull := range nulls {
		out.tri[i] = out.tri[i]&^-isNull | isNull<<1
	}
	e.bytes.put(nulls)
}

func triLoop[T number](op cmpOp, out []uint8, x, y []T) {
	switch op {
	case cmpGt, cmpGe:
		triLoop(op.flip(), out, y, x)
	case cmpEq:
		for i := range out {
			out[i] = uint8(b2i(x[i] == y[i]))
		}
	case cmpNe:
		for i := range out {
			out[i] = uint8(b2i(x[i] != y[i]))
		}
	case cmpLt:
		for i := range out {
			out[i] = uint8(b2i(x[i] < y[i]))
		}
	case cmpLe:
		for i := range out {
			out[i] = uint8(b2i(x[i] <= y[i]))
		}
	}
}

func triConst[T number](op cmpOp, out []uint8, x []T, c T) {
	switch op {
	case cmpEq:
		for i := range out {
			out[i] = uint8(b2i(x[i] == c))
		}
	case cmpNe:
		for i := range out {
			out[i] = uint8(b2i(x[i] != c))
		}
	case cmpLt:
		for i := range out {
			out[i] = uint8(b2i(x[i] < c))
		}
	case cmpLe:
		for i := range out {
			out[i] = uint8(b2i(x[i] <= c))
		}
	case cmpGt:
		for i := range out {
			out[i] = uint8(b2i(x[i] > c))
		}
	case cmpGe:
		for i := range out {
			out[i] = uint8(b2i(x[i] >= c))
		}
	}
}
