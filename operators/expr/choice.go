package expr

// choice is `c ? a : b` and `if c {a} else {b}`. A null condition takes the else
// branch. Each branch is evaluated only for the rows that take it.
type choice struct {
	base
	cond, yes, no node
}

func newChoice(t typ, cond, yes, no node, from, to int) *choice {
	return &choice{base: newBase(t, from, to, costLoop, cond, yes, no), cond: cond, yes: yes, no: no}
}

func (n *choice) row(e *Eval, i int32) (value, *Fault) {
	c, fault := n.cond.row(e, i)
	switch {
	case fault != nil:
		return nullValue, fault
	case triOf(c) == triTrue:
		return n.yes.row(e, i)
	default:
		return n.no.row(e, i)
	}
}

func (n *choice) columns(e *Eval, sel []int32) vec {
	c := n.cond.columns(e, sel)
	rows := e.rows(sel)
	yes, no := e.sels.get(len(rows)+1), e.sels.get(len(rows)+1)
	y, f := 0, 0
	for _, i := range rows {
		holds := int(c.tri[i&c.mask] & 1)
		yes[y], no[f] = i, i
		y += holds
		f += holds ^ 1
	}
	e.release(&c)
	out := e.newVec(n.t.kind.lane())
	a := n.yes.columns(e, yes[:y])
	e.scatter(&out, &a, yes[:y])
	e.release(&a)
	b := n.no.columns(e, no[:f])
	e.scatter(&out, &b, no[:f])
	e.release(&b)
	e.sels.put(yes)
	e.sels.put(no)
	return out
}
