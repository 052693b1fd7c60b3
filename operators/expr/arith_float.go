package expr

const msgDivZero = "division by zero"

func floatOp(op arithOp, a, b float64) float64 {
	switch op {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	default:
		return a / b
	}
}

// floatArith is + - * / over float64. Only a division by zero fails; overflow
// gives infinities, as IEEE 754 says.
type floatArith struct {
	base
	op   arithOp
	l, r node
}

func newFloatArith(op arithOp, l, r node, from, to int) *floatArith {
	if _, ok := l.(*constant); ok && (op == opAdd || op == opMul) {
		l, r = r, l // the loops want the constant on the right
	}
	n := &floatArith{base: newBase(typ{kFloat, nullable(l, r)}, from, to, costLoop, l, r), op: op, l: l, r: r}
	if op == opDiv {
		c, isConst := constOf(r)
		n.fails = n.fails || !isConst || c.f == 0
	}
	return n
}

func (n *floatArith) row(e *Eval, i int32) (value, *Fault) {
	a, b, fault := twoRows(e, n.l, n.r, i)
	if fault != nil || a.null || b.null {
		return nullValue, fault
	}
	if n.op == opDiv && b.f == 0 {
		return nullValue, e.fault(&n.base, msgDivZero)
	}
	return value{f: floatOp(n.op, a.f, b.f)}, nil
}

func (n *floatArith) columns(e *Eval, sel []int32) vec {
	if ints, ok := n.l.(*toFloat); ok && e.dense(sel) && isConst(n.r) {
		return n.fromInts(e, ints.arg, sel)
	}
	a, b := n.l.columns(e, sel), n.r.columns(e, sel)
	out := e.newVec(laneFloat)
	e.takeNulls(&out, &a, &b)
	switch {
	case !e.dense(sel) || a.mask == 0 && n.op != opSub && n.op != opDiv:
		floatRows(n.op, out.floats, &a, &b, e.rows(sel))
	case a.mask == 0:
		floatLoopLeft(n.op, out.floats, a.floats[0], &b)
	case b.mask == 0:
		floatLoopConst(n.op, out.floats, a.floats, b.floats[0])
	default:
		floatLoop(n.op, out.floats, a.floats, b.floats)
	}
	if n.op == opDiv && (b.mask != 0 || b.floats[0] == 0) {
		n.findZero(e, &out, &b, sel)
	}
	e.release(&a)
	e.release(&b)
	return out
}

// fromInts converts an integer operand on the way, which saves a pass, as in
// price / 1e6.
func (n *floatArith) fromInts(e *Eval, arg node, sel []int32) vec {
	a, b := arg.columns(e, sel), n.r.columns(e, sel)
	out := e.newVec(laneFloat)
	e.takeNulls(&out, &a)
	if a.mask == 0 {
		for i := range out.floats {
			out.floats[i] = floatOp(n.op, float64(a.ints[0]), b.floats[0])
		}
	} else {
		floatLoopInts(n.op, out.floats, a.ints, b.floats[0])
	}
	if n.op == opDiv && b.floats[0] == 0 {
		n.findZero(e, &out, &b, sel)
	}
	e.release(&a)
	return out
}

func floatLoopInts(op arithOp, out []float64, x []int64, c float64) {
	x = x[:len(out)]
	switch op {
	case opAdd:
		for i := range out {
			out[i] = float64(x[i]) + c
		}
	case opSub:
		for i := range out {
			out[i] = float64(x[i]) - c
		}
	case opMul:
		for i := range out {
			out[i] = float64(x[i]) * c
		}
	default:
		for i := range out {
			out[i] = float64(x[i]) / c
		}
	}
}

func floatLoop(op arithOp, out, x, y []float64) {
	x, y = x[:len(out)], y[:len(out)]
	switch op {
	case opAdd:
		for i := range out {
			out[i] = x[i] + y[i]
		}
	case opSub:
		for i := range out {
			out[i] = x[i] - y[i]
		}
	case opMul:
		for i := range out {
			out[i] = x[i] * y[i]
		}
	default:
		for i := range out {
			out[i] = x[i] / y[i]
		}
	}
}

func floatLoopConst(op arithOp, out, x []float64, c float64) {
	x = x[:len(out)]
	switch op {
	case opAdd:
		for i := range out {
			out[i] = x[i] + c
		}
	case opSub:
		for i := range out {
			out[i] = x[i] - c
		}
	case opMul:
		for i := range out {
			out[i] = x[i] * c
		}
	default:
		for i := range out {
			out[i] = x[i] / c
		}
	}
}

// floatLoopLeft has the constant on the left, for - and /.
func floatLoopLeft(op arithOp, out []float64, c float64, b *vec) {
	for i := range out {
		out[i] = floatOp(op, c, b.floats[int32(i)&b.mask])
	}
}

func floatRows(op arithOp, out []float64, a, b *vec, rows []int32) {
	for _, i := range rows {
		out[i] = floatOp(op, a.floats[i&a.mask], b.floats[i&b.mask])
	}
}

// findZero reports the rows that were divided by zero.
func (n *floatArith) findZero(e *Eval, out, b *vec, sel []int32) {
	for _, i := range e.rows(sel) {
		if b.floats[i&b.mask] == 0 && !out.isNull(i) {
			e.fail(&n.base, i, msgDivZero)
			e.setNull(out, i)
		}
	}
}

// toFloat converts an integer to the nearest float64.
type toFloat struct {
	base
	arg node
}

func newToFloat(arg node) node {
	i := arg.info()
	n := &toFloat{base: newBase(typ{kFloat, i.t.null}, i.from, i.to, costLoop, arg), arg: arg}
	if v, ok := constOf(arg); ok {
		return newConstant(typ{kind: kFloat}, i.from, i.to, value{f: float64(v.i)})
	}
	return n
}

func (n *toFloat) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	return value{f: float64(v.i), null: v.null}, fault
}

func (n *toFloat) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneFloat)
	e.takeNulls(&out, &a)
	if e.dense(sel) && a.mask != 0 {
		x := a.ints[:e.n]
		for i := range out.floats {
			out.floats[i] = float64(x[i])
		}
	} else {
		for _, i := range e.rows(sel) {
			out.floats[i] = float64(a.ints[i&a.mask])
		}
	}
	e.release(&a)
	return out
}
