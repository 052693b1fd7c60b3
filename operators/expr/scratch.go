package expr

// set writes one value into a vec of newVec.
func (e *Eval) set(out *vec, i int32, v value) {
	switch {
	case out.tri != nil:
		out.tri[i] = uint8(v.i)
		if v.null {
			out.tri[i] = triNull
		}
		return
	case out.ints != nil:
		out.ints[i] = v.i
	case out.floats != nil:
		out.floats[i] = v.f
	default:
		out.text[i] = v.s
	}
	if v.null {
		e.setNull(out, i)
	}
}

// rows is sel with nil spelt out. It is lent.
func (e *Eval) rows(sel []int32) []int32 {
	if sel != nil {
		return sel
	}
	for i := len(e.all); i < e.n; i++ {
		e.all = append(e.all, int32(i))
	}
	return e.all[:e.n]
}

// dense says whether a loop over all rows is cheaper than one over sel.
func (e *Eval) dense(sel []int32) bool { return sel == nil || 2*len(sel) >= e.n }

// newVec is a column of the lane with undefined values and no nulls.
func (e *Eval) newVec(l lane) vec {
	v := vec{mask: -1, own: ownValues}
	switch l {
	case laneInt:
		v.ints = e.ints.get(e.n)
	case laneFloat:
		v.floats = e.floats.get(e.n)
	case laneTri:
		v.tri = e.bytes.get(e.n)
	case laneText:
		v.text = e.texts.get(e.n)
	}
	return v
}

// release gives the owned slices of v back.
func (e *Eval) release(v *vec) {
	if v.own&ownValues != 0 {
		switch {
		case v.ints != nil:
			e.ints.put(v.ints)
		case v.floats != nil:
			e.floats.put(v.floats)
		case v.tri != nil:
			e.bytes.put(v.tri)
		case v.text != nil:
			e.texts.put(v.text)
		}
	}
	if v.own&ownNulls != 0 {
		e.bytes.put(v.nulls)
	}
	v.own = 0
}

// setNull makes row i of a column from newVec null. A mask that was lent by an
// operand is copied first.
func (e *Eval) setNull(v *vec, i int32) {
	if v.tri != nil {
		v.tri[i] = triNull
		return
	}
	if v.own&ownNulls == 0 {
		mask := e.zeroed()
		copy(mask, v.nulls)
		v.nulls, v.own = mask, v.own|ownNulls
	}
	v.nulls[i] = 1
}

// zeroed is a mask without nulls.
func (e *Eval) zeroed() []uint8 {
	m := e.bytes.get(e.n)
	clear(m)
	return m
}

// takeNulls gives out the rows where any of the operands is null. If one operand
// alone has nulls its mask is taken over, or lent if it is not the operand's own:
// what lends a mask (a column, a variable) outlives the result.
func (e *Eval) takeNulls(out *vec, args ...*vec) {
	var only *vec
	for _, a := range args {
		if a.nulls == nil && a.tri == nil {
			continue
		}
		if only != nil || a.tri != nil || a.mask == 0 {
			if out.nulls = e.nullsOf(args...); out.nulls != nil {
				out.own |= ownNulls
			}
			return
		}
		only = a
	}
	if only != nil {
		out.nulls, out.own = only.nulls, out.own|only.own&ownNulls
		only.own &^= ownNulls
	}
}

// nullsOf is the rows where any of the operands is null, as an owned mask; nil if
// there are none.
func (e *Eval) nullsOf(args ...*vec) []uint8 {
	var out []uint8
	for _, a := range args {
		from, shift := a.nulls, 0
		if a.tri != nil {
			from, shift = a.tri, 1
		}
		if from == nil || a.mask == 0 && from[0]>>shift == 0 {
			continue
		}
		if out == nil {
			out = e.zeroed()
		}
		if a.mask == 0 {
			for i := range out {
				out[i] = 1
			}
			continue
		}
		for i, x := range from[:len(out)] {
			out[i] |= x >> shift
		}
	}
	return out
}
