package expr

import "unsafe"

// The functions in this file build text. They append to the Eval's arena, which
// lives until the next call, so that no row allocates. Text that a function only
// cuts out of its argument (trim, substr) needs no arena and is an fn1 or fn2.

// text1 appends the result for one argument.
type text1[A cell] func(dst []byte, a A) ([]byte, error)

func (f text1[A]) row(e *Eval, args []value) (value, error) {
	s, err := e.build(func(dst []byte) ([]byte, error) { return f(dst, cellOf[A](&args[0])) })
	return value{s: s}, err
}

func (f text1[A]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	for _, i := range rows {
		dst, err := f(e.arena, a[i&am])
		n.keep(e, &out, i, dst, err)
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}

// text2 appends the result for two arguments.
type text2[A, B cell] func(dst []byte, a A, b B) ([]byte, error)

func (f text2[A, B]) row(e *Eval, args []value) (value, error) {
	s, err := e.build(func(dst []byte) ([]byte, error) {
		return f(dst, cellOf[A](&args[0]), cellOf[B](&args[1]))
	})
	return value{s: s}, err
}

func (f text2[A, B]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	b, bm := operand[B](e, &args[1], rows)
	for _, i := range rows {
		dst, err := f(e.arena, a[i&am], b[i&bm])
		n.keep(e, &out, i, dst, err)
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}

// text3 appends the result for three arguments.
type text3[A, B, C cell] func(dst []byte, a A, b B, c C) ([]byte, error)

func (f text3[A, B, C]) row(e *Eval, args []value) (value, error) {
	s, err := e.build(func(dst []byte) ([]byte, error) {
		return f(dst, cellOf[A](&args[0]), cellOf[B](&args[1]), cellOf[C](&args[2]))
	})
	return value{s: s}, err
}

func (f text3[A, B, C]) columns(e *Eval, n *apply, args []vec, sel []int32) vec {
	out, rows, owned := n.prepare(e, args, sel)
	a, am := operand[A](e, &args[0], rows)
	b, bm := operand[B](e, &args[1], rows)
	c, cm := operand[C](e, &args[2], rows)
	for _, i := range rows {
		dst, err := f(e.arena, a[i&am], b[i&bm], c[i&cm])
		n.keep(e, &out, i, dst, err)
	}
	if owned {
		e.sels.put(rows)
	}
	return out
}

// keep stores what was appended to the arena as the text of row i.
func (n *apply) keep(e *Eval, out *vec, i int32, dst []byte, err error) {
	if err != nil {
		n.reject(e, out, i, err)
		return
	}
	out.text[i] = e.added(dst)
}

// build runs f over the arena and returns what it appended.
func (e *Eval) build(f func(dst []byte) ([]byte, error)) (string, error) {
	dst, err := f(e.arena)
	if err != nil {
		return "", err
	}
	return e.added(dst), nil
}

// added makes dst, the arena with something appended, the arena, and returns the
// part that is new. Should the arena have moved, earlier texts keep the old memory
// alive until they are overwritten.
func (e *Eval) added(dst []byte) string {
	from := len(e.arena)
	e.arena = dst
	if len(dst) > e.maxText {
		e.startOver()
	}
	b := dst[from:]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// startOver uses the arena again from its start, over texts that are still
// referred to: the call ends in errTooMuchText, so that nobody will read them.
func (e *Eval) startOver() {
	e.tooMuch = true
	e.arena = e.arena[:0]
}
