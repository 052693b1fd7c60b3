package expr

// and3 and or3 are the three-valued connectives over triFalse, triTrue, triNull.

func and3(a, b uint8) uint8 {
	if a == triFalse || b == triFalse {
		return triFalse
	}
	return max(a, b)
}

func or3(a, b uint8) uint8 {
	if a == triTrue || b == triTrue {
		return triTrue
	}
	return max(a, b)
}

// The same as tables, indexed by 3*a+b, for loops without branches.
var andTable, orTable = truthTable(and3), truthTable(or3)

func truthTable(f func(a, b uint8) uint8) (t [9]uint8) {
	for i := range t {
		t[i] = f(uint8(i/3), uint8(i%3))
	}
	return t
}

// logic is `and` and `or`. The right side is evaluated only where the left did
// not decide: where it is true or null for and, false or null for or.
type logic struct {
	base
	or   bool
	l, r node
}

func newLogic(or bool, l, r node, from, to int) *logic {
	return &logic{base: newBase(typ{kBool, nullable(l, r)}, from, to, costLoop, l, r), or: or, l: l, r: r}
}

// combine joins two states.
func (n *logic) combine(a, b uint8) uint8 {
	if n.or {
		return or3(a, b)
	}
	return and3(a, b)
}

// decides is the state of the left side that makes the right one irrelevant.
func (n *logic) decides() uint8 { return uint8(b2i(n.or)) }

func (n *logic) row(e *Eval, i int32) (value, *Fault) {
	a, fault := n.l.row(e, i)
	if fault != nil {
		return nullValue, fault
	}
	left := triOf(a)
	if left == n.decides() {
		return a, nil
	}
	b, fault := n.r.row(e, i)
	if fault != nil {
		return nullValue, fault
	}
	return valueOf(n.combine(left, triOf(b))), nil
}

func triOf(v value) uint8 {
	if v.null {
		return triNull
	}
	return uint8(v.i)
}

func (n *logic) columns(e *Eval, sel []int32) vec {
	a := n.l.columns(e, sel)
	out := e.newVec(laneTri)
	if cheap(n.r) {
		b := n.r.columns(e, sel)
		table := &andTable
		if n.or {
			table = &orTable
		}
		for i := range out.tri {
			out.tri[i] = table[3*a.tri[int32(i)&a.mask]+b.tri[int32(i)&b.mask]]
		}
		e.release(&b)
		e.release(&a)
		return out
	}
	rows := e.rows(sel)
	open := e.sels.get(len(rows) + 1)
	k, decided := 0, n.decides()
	for _, i := range rows {
		x := a.tri[i&a.mask]
		out.tri[i] = x
		open[k] = i
		k += b2i(x != decided)
	}
	b := n.r.columns(e, open[:k])
	for _, i := range open[:k] {
		out.tri[i] = n.combine(out.tri[i], b.tri[i&b.mask])
	}
	e.release(&b)
	e.release(&a)
	e.sels.put(open)
	return out
}

// filter of `and` narrows the selection twice; of `or` it looks on the right only
// at the rows that the left has not taken.
func (n *logic) filter(e *Eval, sel []int32) []int32 {
	switch {
	case n.or:
		return n.filterOr(e, sel)
	case n.l.info().t.null && n.r.info().fails:
		// Where the left is null the row is lost, but the right may still fail.
		v := n.columns(e, sel)
		out := e.whereTrue(&v, sel)
		e.release(&v)
		return out
	}
	left := e.filter(n.l, sel)
	out := e.filter(n.r, left)
	e.sels.put(left)
	return out
}

func (n *logic) filterOr(e *Eval, sel []int32) []int32 {
	if cheap(n.r) {
		v := n.columns(e, sel)
		out := e.whereTrue(&v, sel)
		e.release(&v)
		return out
	}
	left := e.filter(n.l, sel)
	rows := e.rows(sel)
	rest := e.sels.get(len(rows) + 1)
	k, l := 0, 0
	for _, i := range rows {
		if l < len(left) && left[l] == i {
			l++
			continue
		}
		rest[k] = i
		k++
	}
	right := e.filter(n.r, rest[:k])
	out := mergeRows(e.sels.get(len(rows) + 1)[:0], left, right)
	e.sels.put(left)
	e.sels.put(rest)
	e.sels.put(right)
	return out
}

// mergeRows appends two ascending, disjoint lists in order.
func mergeRows(dst, a, b []int32) []int32 {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < b[0] {
			dst, a = append(dst, a[0]), a[1:]
		} else {
			dst, b = append(dst, b[0]), b[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// not is three-valued negation.
type not struct {
	base
	arg node
}

func newNot(arg node, from, to int) *not {
	return &not{base: newBase(typ{kBool, arg.info().t.null}, from, to, costLoop, arg), arg: arg}
}

// not3 exchanges triFalse and triTrue.
func not3(a uint8) uint8 { return a ^ (^a >> 1 & 1) }

func (n *not) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil {
		return nullValue, fault
	}
	return valueOf(not3(triOf(v))), nil
}

func (n *not) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneTri)
	for i := range out.tri {
		out.tri[i] = not3(a.tri[int32(i)&a.mask])
	}
	e.release(&a)
	return out
}
