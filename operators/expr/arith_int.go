package expr

import "math/bits"

// arithOp is an arithmetic operator of the hot loops.
type arithOp uint8

const (
	opAdd arithOp = iota
	opSub
	opMul
	opDiv // float64 only
)

const msgIntOverflow = "integer overflow"

// The three operations of the integer lane: the wrapped result, and 1 if it
// overflowed. They have no branches, so that loops need none.

func addInt(a, b int64) (int64, uint64) {
	r := a + b
	return r, uint64((a^r)&(b^r)) >> 63
}

func subInt(a, b int64) (int64, uint64) {
	r := a - b
	return r, uint64((a^b)&(a^r)) >> 63
}

func mulInt(a, b int64) (int64, uint64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// The high half of the signed product, from that of the unsigned one.
	high := int64(hi) - (a>>63)&b - (b>>63)&a
	d := uint64(high ^ int64(lo)>>63) // 0 iff the product fits
	return int64(lo), (d | -d) >> 63
}

func intOp(op arithOp, a, b int64) (int64, uint64) {
	switch op {
	case opAdd:
		return addInt(a, b)
	case opSub:
		return subInt(a, b)
	default:
		return mulInt(a, b)
	}
}

// intArith is + - * over the integer lane: integers, timestamps and durations.
type intArith struct {
	base
	op   arithOp
	l, r node
}

func newIntArith(t kind, op arithOp, l, r node, from, to int) *intArith {
	if _, ok := l.(*constant); ok && op != opSub {
		l, r = r, l // the loops want the constant on the right
	}
	n := &intArith{base: newBase(typ{t, nullable(l, r)}, from, to, costLoop, l, r), op: op, l: l, r: r}
	n.fails = true
	return n
}

func (n *intArith) row(e *Eval, i int32) (value, *Fault) {
	a, b, fault := twoRows(e, n.l, n.r, i)
	if fault != nil || a.null || b.null {
		return nullValue, fault
	}
	v, over := intOp(n.op, a.i, b.i)
	if over != 0 {
		return nullValue, e.fault(&n.base, msgIntOverflow)
	}
	return value{i: v}, nil
}

// twoRows evaluates both operands of a strict node.
func twoRows(e *Eval, l, r node, i int32) (a, b value, fault *Fault) {
	if a, fault = l.row(e, i); fault != nil {
		return a, b, fault
	}
	b, fault = r.row(e, i)
	return a, b, fault
}

func (n *intArith) columns(e *Eval, sel []int32) vec {
	a, b := n.l.columns(e, sel), n.r.columns(e, sel)
	out := e.newVec(laneInt)
	e.takeNulls(&out, &a, &b)
	over := uint64(1)
	if e.dense(sel) && a.mask != 0 {
		over = intLoop(n.op, out.ints, &a, &b)
	} else {
		over = intRows(n.op, out.ints, &a, &b, sel)
	}
	if over != 0 {
		n.findOverflow(e, &out, &a, &b, sel)
	}
	e.release(&a)
	e.release(&b)
	return out
}

// intLoop computes all rows and says whether any of them overflowed, among them
// rows that are null or not selected.
func intLoop(op arithOp, out []int64, a, b *vec) uint64 {
	x := a.ints[:len(out)]
	if b.mask == 0 {
		return intLoopConst(op, out, x, b.ints[0])
	}
	y, over := b.ints[:len(out)], uint64(0)
	switch op {
	case opAdd:
		for i := range out {
			v, o := addInt(x[i], y[i])
			out[i], over = v, over|o
		}
	case opSub:
		for i := range out {
			v, o := subInt(x[i], y[i])
			out[i], over = v, over|o
		}
	default:
		for i := range out {
			v, o := mulInt(x[i], y[i])
			out[i], over = v, over|o
		}
	}
	return over
}

func intLoopConst(op arithOp, out, x []int64, c int64) uint64 {
	over := uint64(0)
	switch op {
	case opAdd:
		for i := range out {
			v, o := addInt(x[i], c)
			out[i], over = v, over|o
		}
	case opSub:
		for i := range out {
			v, o := subInt(x[i], c)
			out[i], over = v, over|o
		}
	default:
		for i := range out {
			v, o := mulInt(x[i], c)
			out[i], over = v, over|o
		}
	}
	return over
}

// intRows computes the rows of sel only (nil: all).
func intRows(op arithOp, out []int64, a, b *vec, sel []int32) uint64 {
	over := uint64(0)
	if sel == nil {
		for i := range out {
			v, o := intOp(op, a.ints[int32(i)&a.mask], b.ints[int32(i)&b.mask])
			out[i], over = v, over|o
		}
		return over
	}
	for _, i := range sel {
		v, o := intOp(op, a.ints[i&a.mask], b.ints[i&b.mask])
		out[i], over = v, over|o
	}
	return over
}

// findOverflow reports the rows that overflowed.
func (n *intArith) findOverflow(e *Eval, out, a, b *vec, sel []int32) {
	for _, i := range e.rows(sel) {
		if out.isNull(i) {
			continue
		}
		if _, over := intOp(n.op, a.ints[i&a.mask], b.ints[i&b.mask]); over != 0 {
			e.fail(&n.base, i, msgIntOverflow)
			e.setNull(out, i)
		}
	}
}
