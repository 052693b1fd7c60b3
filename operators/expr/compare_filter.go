package expr

// filter finds the rows directly: each loop writes every row number and steps
// only where the comparison holds, so that it has no branch to mispredict.
func (n *compare[T]) filter(e *Eval, sel []int32) []int32 {
	a, b := n.l.columns(e, sel), n.r.columns(e, sel)
	rows := e.rows(sel)
	out := e.sels.get(len(rows) + 1)
	x, y := *laneOf[T](&a), *laneOf[T](&b)
	k := 0
	switch {
	case a.mask == 0:
		for _, i := range rows {
			out[k] = i
			k += b2i(holds(n.op, x[0], y[i&b.mask]))
		}
	case b.mask == 0:
		k = selectConst(n.op, out, x, y[0], rows)
	default:
		k = selectLoop(n.op, out, x, y, rows)
	}
	out = dropNulls(dropNulls(out[:k], &a), &b)
	e.release(&a)
	e.release(&b)
	return out
}

// dropNulls removes the rows where v is null, in place.
func dropNulls(rows []int32, v *vec) []int32 {
	if v.nulls == nil {
		return rows
	}
	k := 0
	for _, i := range rows {
		rows[k] = i
		k += int(v.nulls[i&v.mask] ^ 1)
	}
	return rows[:k]
}

func selectLoop[T number](op cmpOp, out []int32, x, y []T, rows []int32) int {
	k := 0
	switch op {
	case cmpGt, cmpGe:
		return selectLoop(op.flip(), out, y, x, rows)
	case cmpEq:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] == y[i])
		}
	case cmpNe:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] != y[i])
		}
	case cmpLt:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] < y[i])
		}
	case cmpLe:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] <= y[i])
		}
	}
	return k
}

func selectConst[T number](op cmpOp, out []int32, x []T, c T, rows []int32) int {
	k := 0
	switch op {
	case cmpEq:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] == c)
		}
	case cmpNe:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] != c)
		}
	case cmpLt:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] < c)
		}
	case cmpLe:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] <= c)
		}
	case cmpGt:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] > c)
		}
	case cmpGe:
		for _, i := range rows {
			out[k] = i
			k += b2i(x[i] >= c)
		}
	}
	return k
}
