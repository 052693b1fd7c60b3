package expr

import "unsafe"

// let is `let x = value; body`. The value is computed once, before the body, also
// where no branch of the body uses it.
type let struct {
	base
	slot        int
	value, body node
}

func newLet(slot int, val, body node, from, to int) *let {
	return &let{base: newBase(body.info().t, from, to, 0, val, body), slot: slot, value: val, body: body}
}

func (n *let) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.value.row(e, i)
	if fault != nil {
		return nullValue, fault
	}
	e.rowVars[n.slot] = v
	return n.body.row(e, i)
}

func (n *let) columns(e *Eval, sel []int32) vec {
	e.vars[n.slot] = n.value.columns(e, sel)
	out := n.body.columns(e, sel)
	e.lendVar(&out, n.slot)
	return out
}

// lendVar ends the variable's life. If the result is the variable itself, what it
// owned passes to the result.
func (e *Eval) lendVar(out *vec, slot int) {
	v := &e.vars[slot]
	if sharesValues(out, v) && out.own&ownValues == 0 {
		out.own |= v.own & ownValues
		v.own &^= ownValues
	}
	if out.own&ownNulls == 0 && same(out.nulls, v.nulls) {
		out.own |= v.own & ownNulls
		v.own &^= ownNulls
	}
	e.release(v)
	*v = vec{}
}

func sharesValues(a, b *vec) bool {
	return same(a.ints, b.ints) || same(a.floats, b.floats) || same(a.tri, b.tri) || same(a.text, b.text)
}

// same says whether two slices are the same memory, also if they are empty.
func same[T any](a, b []T) bool { return a != nil && unsafe.SliceData(a) == unsafe.SliceData(b) }

// variable reads a let.
type variable struct {
	base
	slot int
}

func newVariable(t typ, slot, from, to int) *variable {
	return &variable{base: newBase(t, from, to, 0), slot: slot}
}

func (n *variable) row(e *Eval, _ int32) (value, *Fault) { return e.rowVars[n.slot], nil }

func (n *variable) columns(e *Eval, _ []int32) vec {
	v := e.vars[n.slot]
	v.own = 0
	return v
}
