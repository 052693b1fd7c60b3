package expr

// isNull is `x == nil`, or with not set `x != nil`. It is never null itself.
type isNull struct {
	base
	arg node
	not bool
}

func newIsNull(arg node, not bool, from, to int) *isNull {
	return &isNull{base: newBase(typ{kind: kBool}, from, to, costLoop, arg), arg: arg, not: not}
}

func (n *isNull) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil {
		return nullValue, fault
	}
	return boolValue(v.null != n.not), nil
}

func (n *isNull) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneTri)
	flip := uint8(b2i(n.not))
	nulls := e.nullsOf(&a)
	for i := range out.tri {
		out.tri[i] = flip
	}
	for i, x := range nulls {
		out.tri[i] = x ^ flip
	}
	if nulls != nil {
		e.bytes.put(nulls)
	}
	e.release(&a)
	return out
}

func (n *isNull) filter(e *Eval, sel []int32) []int32 {
	a := n.arg.columns(e, sel)
	rows := e.rows(sel)
	out := e.sels.get(len(rows) + 1)
	nulls, mask, own := a.nulls, a.mask, false
	if a.tri != nil {
		nulls, mask, own = e.nullsOf(&a), -1, true
	}
	k := 0
	switch {
	case nulls != nil:
		flip := b2i(n.not)
		for _, i := range rows {
			out[k] = i
			k += int(nulls[i&mask]) ^ flip
		}
	case n.not:
		k = copy(out, rows)
	}
	if own && nulls != nil {
		e.bytes.put(nulls)
	}
	e.release(&a)
	return out[:k]
}

// coalesce is `l ?? r`: r where l is null, evaluated only there.
type coalesce struct {
	base
	l, r node
}

func newCoalesce(l, r node, from, to int) *coalesce {
	t := typ{l.info().t.kind, l.info().t.null && r.info().t.null}
	return &coalesce{base: newBase(t, from, to, costLoop, l, r), l: l, r: r}
}

func (n *coalesce) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.l.row(e, i)
	if fault != nil || !v.null {
		return v, fault
	}
	return n.r.row(e, i)
}

func (n *coalesce) columns(e *Eval, sel []int32) vec {
	a := n.l.columns(e, sel)
	nulls := e.nullsOf(&a)
	if nulls == nil {
		return a
	}
	rows := e.rows(sel)
	absent := e.sels.get(len(rows) + 1)
	k := 0
	for _, i := range rows {
		absent[k] = i
		k += int(nulls[i])
	}
	e.bytes.put(nulls)
	out := e.newVec(n.t.kind.lane())
	b := n.r.columns(e, absent[:k])
	e.scatter(&out, &a, rows)
	e.scatter(&out, &b, absent[:k])
	e.sels.put(absent)
	e.release(&a)
	e.release(&b)
	return out
}

// scatter copies the rows of sel from one column into another of the same lane.
func (e *Eval) scatter(out, from *vec, rows []int32) {
	switch {
	case out.ints != nil:
		copyRows(out.ints, from.ints, from.mask, rows)
	case out.floats != nil:
		copyRows(out.floats, from.floats, from.mask, rows)
	case out.tri != nil:
		copyRows(out.tri, from.tri, from.mask, rows)
		return
	case from.off != nil:
		for _, i := range rows {
			out.text[i] = view(from.data, from.off[i], from.off[i+1])
		}
	default:
		copyRows(out.text, from.text, from.mask, rows)
	}
	if out.nulls == nil && from.nulls == nil {
		return
	}
	if out.nulls == nil {
		out.nulls, out.own = e.zeroed(), out.own|ownNulls
	}
	for _, i := range rows {
		if from.nulls == nil {
			out.nulls[i] = 0
		} else {
			out.nulls[i] = from.nulls[i&from.mask]
		}
	}
}

func copyRows[T any](dst, src []T, mask int32, rows []int32) {
	for _, i := range rows {
		dst[i] = src[i&mask]
	}
}
