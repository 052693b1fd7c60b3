package expr

import "errors"

// errNull is returned by a scalar function to say that the result is null.
var errNull = errors.New("null")

// apply is a strict function of one to three arguments: null in any of them makes
// the result null, otherwise the scalar function decides. There is one definition
// of each scalar function; a kernel runs it over columns and over single values.
type apply struct {
	base
	fn   kernel
	args []node
}

// kernel is a scalar function in both shapes.
type kernel interface {
	columns(e *Eval, n *apply, args []vec, sel []int32) vec
	row(e *Eval, args []value) (value, error)
}

// maxArgs is the largest number of arguments of a kernel.
const maxArgs = 3

func newApply(t typ, fn kernel, fails bool, cost, from, to int, args ...node) *apply {
	n := &apply{base: newBase(t.orNull(nullable(args...)), from, to, cost, args...), fn: fn, args: args}
	n.fails = n.fails || fails
	return n
}

func (n *apply) row(e *Eval, i int32) (value, *Fault) {
	var buf [maxArgs]value
	args, null := buf[:len(n.args)], false
	for k, a := range n.args {
		v, fault := a.row(e, i)
		if fault != nil {
			return nullValue, fault
		}
		args[k] = v
		null = null || v.null
	}
	if null {
		return nullValue, nil
	}
	v, err := n.fn.row(e, args)
	switch {
	case err == nil:
		return v, nil
	case err == errNull:
		return nullValue, nil
	}
	return nullValue, e.fault(&n.base, err.Error())
}

func (n *apply) columns(e *Eval, sel []int32) vec {
	var buf [maxArgs]vec
	args := buf[:len(n.args)]
	for k, a := range n.args {
		args[k] = a.columns(e, sel)
	}
	out := n.fn.columns(e, n, args, sel)
	for k := range args {
		e.release(&args[k])
	}
	return out
}

// reject handles the error of a scalar function at row i.
func (n *apply) reject(e *Eval, out *vec, i int32, err error) {
	if err != errNull {
		e.fail(&n.base, i, err.Error())
	}
	e.setNull(out, i)
}

// prepare makes the result column of a kernel and the rows to compute: those of
// sel where no argument is null. The caller gives rows back if owned.
func (n *apply) prepare(e *Eval, args []vec, sel []int32) (out vec, rows []int32, ownedRows bool) {
	out = e.newVec(n.t.kind.lane())
	rows = e.rows(sel)
	var ptrs [maxArgs]*vec
	for k := range args {
		ptrs[k] = &args[k]
	}
	nulls := e.nullsOf(ptrs[:len(args)]...)
	if nulls == nil {
		return out, rows, false
	}
	keep := e.sels.get(len(rows) + 1)
	k := 0
	for _, i := range rows {
		keep[k] = i
		k += int(nulls[i] ^ 1)
	}
	if out.tri != nil {
		for i, x := range nulls {
			out.tri[i] = x << 1
		}
		e.bytes.put(nulls)
	} else {
		out.nulls, out.own = nulls, out.own|ownNulls
	}
	return out, keep[:k], true
}

// operand is the cells of an argument, ready to be indexed by i&mask.
func operand[T cell](e *Eval, v *vec, rows []int32) ([]T, int32) {
	if v.off != nil {
		e.views(v, rows)
	}
	return *laneOf[T](v), v.mask
}

// views turns Arrow's text layout into one string header per row.
func (e *Eval) views(v *vec, rows []int32) {
	text := e.texts.get(e.n)
	for _, i := range rows {
		text[i] = view(v.data, v.off[i], v.off[i+1])
	}
	v.text, v.off, v.data = text, nil, nil
	v.own |= ownValues
}

// fn1 is a scalar function of one argument.
type fn1[A, R cell] func(A) (R, error)

func (f fn1[A, R]) row(_ *Eval, args []value) (value, error) {
	r, err := f(cellOf[A](&args[0]))
	return valueOf(r), err
}

func (f fn1[A, R]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	dst := *laneOf[R](&out)
	for _, i := range rows {
		r, err := f(a[i&am])
		if err != nil {
			n.reject(e, &out, i, err)
			continue
		}
		dst[i] = r
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}

// fn2 is a scalar function of two arguments.
type fn2[A, B, R cell] func(A, B) (R, error)

func (f fn2[A, B, R]) row(_ *Eval, args []value) (value, error) {
	r, err := f(cellOf[A](&args[0]), cellOf[B](&args[1]))
	return valueOf(r), err
}

func (f fn2[A, B, R]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	b, bm := operand[B](e, &args[1], rows)
	dst := *laneOf[R](&out)
	for _, i := range rows {
		r, err := f(a[i&am], b[i&bm])
		if err != nil {
			n.reject(e, &out, i, err)
			continue
		}
		dst[i] = r
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}

// fn3 is a scalar function of three arguments.
type fn3[A, B, C, R cell] func(A, B, C) (R, error)

func (f fn3[A, B, C, R]) row(_ *Eval, args []value) (value, error) {
	r, err := f(cellOf[A](&args[0]), cellOf[B](&args[1]), cellOf[C](&args[2]))
	return valueOf(r), err
}

func (f fn3[A, B, C, R]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	b, bm := operand[B](e, &args[1], rows)
	c, cm := operand[C](e, &args[2], rows)
	dst := *laneOf[R](&out)
	for _, i := range rows {
		r, err := f(a[i&am], b[i&bm], c[i&cm])
		if err != nil {
			n.reject(e, &out, i, err)
			continue
		}
		dst[i] = r
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}
