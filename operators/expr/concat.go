package expr

import "fmt"

var msgTooLong = fmt.Sprintf("the text would be longer than %d bytes", MaxValueBytes)

// concat joins texts: the operands of a chain of + are joined in one go.
type concat struct {
	base
	parts []node
}

// newConcat flattens concatenations among the parts.
func newConcat(from, to int, parts ...node) *concat {
	var flat []node
	for _, p := range parts {
		if c, ok := p.(*concat); ok {
			flat = append(flat, c.parts...)
		} else {
			flat = append(flat, p)
		}
	}
	n := &concat{base: newBase(typ{kString, nullable(flat...)}, from, to, costCall, flat...), parts: flat}
	n.fails = true
	return n
}

func (n *concat) row(e *Eval, i int32) (value, *Fault) {
	var buf [8]string
	texts, size, null := buf[:0], 0, false
	for _, p := range n.parts {
		v, fault := p.row(e, i)
		if fault != nil {
			return nullValue, fault
		}
		texts, size, null = append(texts, v.s), size+len(v.s), null || v.null
	}
	switch {
	case null:
		return nullValue, nil
	case size > MaxValueBytes:
		return nullValue, e.fault(&n.base, msgTooLong)
	}
	dst := e.arena
	for _, s := range texts {
		dst = append(dst, s...)
	}
	return value{s: e.added(dst)}, nil
}

func (n *concat) columns(e *Eval, sel []int32) vec {
	parts := make([]vec, len(n.parts))
	ptrs := make([]*vec, len(n.parts))
	for k, p := range n.parts {
		parts[k] = p.columns(e, sel)
		ptrs[k] = &parts[k]
	}
	out := e.newVec(laneText)
	e.takeNulls(&out, ptrs...)
	for _, i := range e.rows(sel) {
		if !out.isNull(i) {
			n.join(e, &out, parts, i)
		}
	}
	for k := range parts {
		e.release(&parts[k])
	}
	return out
}

// join builds the text of row i.
func (n *concat) join(e *Eval, out *vec, parts []vec, i int32) {
	dst := e.arena
	for k := range parts {
		s := parts[k].str(i)
		if len(dst)-len(e.arena)+len(s) > MaxValueBytes {
			e.fail(&n.base, i, msgTooLong)
			e.setNull(out, i)
			return
		}
		dst = append(dst, s...)
	}
	out.text[i] = e.added(dst)
}
