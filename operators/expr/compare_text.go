package expr

import (
	"encoding/binary"
)

// equalText compares a column of text with a constant, the commonest filter of
// all. In Arrow's layout it compares the length and the first eight bytes in one
// step; only a longer constant looks further.
type equalText struct {
	base
	arg  node
	want string
	not  bool // != instead of ==

	head, headMask uint64 // the first eight bytes of want, and which of them count
}

func newEqualText(arg node, want string, not bool, from, to int) *equalText {
	n := &equalText{base: newBase(typ{kBool, arg.info().t.null}, from, to, costText, arg), arg: arg, want: want, not: not}
	var word [8]byte
	k := copy(word[:], want)
	n.head = binary.LittleEndian.Uint64(word[:])
	n.headMask = ^uint64(0)
	if k < 8 {
		n.headMask = 1<<(8*k) - 1
	}
	return n
}

func (n *equalText) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil || v.null {
		return nullValue, fault
	}
	return boolValue((v.s == n.want) != n.not), nil
}

func (n *equalText) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneTri)
	for _, i := range e.rows(sel) {
		out.tri[i] = uint8(b2i(n.equal(&a, i) != n.not))
	}
	e.nullTri(&out, &a)
	e.release(&a)
	return out
}

func (n *equalText) filter(e *Eval, sel []int32) []int32 {
	a := n.arg.columns(e, sel)
	rows := e.rows(sel)
	out := e.sels.get(len(rows) + 1)
	k := 0
	if a.off != nil && len(n.want) <= 8 {
		k = n.filterShort(out, &a, rows)
	} else {
		for _, i := range rows {
			out[k] = i
			k += b2i(n.equal(&a, i) != n.not)
		}
	}
	out = dropNulls(out[:k], &a)
	e.release(&a)
	return out
}

// filterShort is filter over Arrow's layout for a constant of at most 8 bytes.
func (n *equalText) filterShort(out []int32, a *vec, rows []int32) int {
	k, not, size := 0, b2i(n.not), int32(len(n.want))
	last := int32(len(a.data)) - 8 // the last place with eight bytes to load
	for _, i := range rows {
		out[k] = i
		from := a.off[i]
		same := b2i(a.off[i+1]-from == size)
		if from <= last {
			word := binary.LittleEndian.Uint64(a.data[from:])
			same &= b2i(word&n.headMask == n.head)
		} else if same == 1 {
			same = b2i(view(a.data, from, from+size) == n.want)
		}
		k += same ^ not
	}
	return k
}

func (n *equalText) equal(a *vec, i int32) bool {
	if a.off == nil {
		return a.text[i&a.mask] == n.want
	}
	from, to := a.off[i], a.off[i+1]
	if int(to-from) != len(n.want) {
		return false
	}
	if int(from)+8 <= len(a.data) && binary.LittleEndian.Uint64(a.data[from:])&n.headMask != n.head {
		return false
	}
	return view(a.data, from, to) == n.want
}
