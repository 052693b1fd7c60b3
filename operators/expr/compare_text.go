package expr

import (
	"encoding/binary"
)

// textKey is a constant that a column of text is compared with. In Arrow's layout
// the length, the first eight and the last eight bytes are compared as numbers,
// without branches; only constants above 16 bytes look further.
type textKey struct {
	want string
	size int32
	head uint64 // the first eight bytes of want
	mask uint64 // which of them count
	tail uint64 // the last eight bytes of want, if it has more than eight
}

func newTextKey(want string) textKey {
	var word [8]byte
	k := copy(word[:], want)
	key := textKey{want: want, size: int32(len(want)), head: binary.LittleEndian.Uint64(word[:]), mask: ^uint64(0)}
	if k < 8 {
		key.mask = 1<<(8*k) - 1
	} else {
		key.tail = headAt([]byte(want), int32(len(want)-8))
	}
	return key
}

// headAt is the eight bytes from place at, those beyond the end as zeros.
func headAt(data []byte, at int32) uint64 {
	if int(at)+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[at:])
	}
	var word [8]byte
	copy(word[:], data[at:])
	return binary.LittleEndian.Uint64(word[:])
}

// short is 1 if a text of that size which begins with head is the key, for keys of
// at most eight bytes. It is small enough to be inlined.
func (k *textKey) short(size int32, head uint64) int {
	return b2i(size == k.size) & b2i(head&k.mask == k.head)
}

// matches is 1 if data[from:to], which begins with head, is the key.
func (k *textKey) matches(data []byte, from, to int32, head uint64) int {
	same := k.short(to-from, head)
	if k.size > 8 {
		same &= b2i(headAt(data, max(to-8, 0)) == k.tail)
		if k.size > 16 && same == 1 {
			same = b2i(view(data, from, to) == k.want)
		}
	}
	return same
}

// equalText compares a column of text with a constant, the commonest filter of
// all.
type equalText struct {
	base
	arg node
	key textKey
	not bool // != instead of ==
}

func newEqualText(arg node, want string, not bool, from, to int) *equalText {
	return &equalText{base: newBase(typ{kBool, arg.info().t.null}, from, to, costText, arg), arg: arg, key: newTextKey(want), not: not}
}

func (n *equalText) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil || v.null {
		return nullValue, fault
	}
	return boolValue((v.s == n.key.want) != n.not), nil
}

func (n *equalText) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneTri)
	key, flip := n.key, uint8(b2i(n.not))
	switch {
	case a.off == nil:
		for _, i := range e.rows(sel) {
			out.tri[i] = uint8(b2i(a.text[i&a.mask] == key.want)) ^ flip
		}
	case key.size <= 8:
		for _, i := range e.rows(sel) {
			from := a.off[i]
			out.tri[i] = uint8(key.short(a.off[i+1]-from, headAt(a.data, from))) ^ flip
		}
	default:
		for _, i := range e.rows(sel) {
			from := a.off[i]
			out.tri[i] = uint8(key.matches(a.data, from, a.off[i+1], headAt(a.data, from))) ^ flip
		}
	}
	e.nullTri(&out, &a)
	e.release(&a)
	return out
}

func (n *equalText) filter(e *Eval, sel []int32) []int32 {
	a := n.arg.columns(e, sel)
	rows := e.rows(sel)
	out := e.sels.get(len(rows) + 1)
	key, k, flip := n.key, 0, b2i(n.not)
	switch {
	case a.off == nil:
		for _, i := range rows {
			out[k] = i
			k += b2i(a.text[i&a.mask] == key.want) ^ flip
		}
	case key.size <= 8 && sel == nil:
		k = n.filterAll(out, &a)
	case key.size <= 8:
		for _, i := range rows {
			out[k] = i
			from := a.off[i]
			k += key.short(a.off[i+1]-from, headAt(a.data, from)) ^ flip
		}
	default:
		for _, i := range rows {
			out[k] = i
			from := a.off[i]
			k += key.matches(a.data, from, a.off[i+1], headAt(a.data, from)) ^ flip
		}
	}
	out = dropNulls(out[:k], &a)
	e.release(&a)
	return out
}

// filterAll is filter by a short key over all rows, where each offset is loaded
// once.
func (n *equalText) filterAll(out []int32, a *vec) int {
	k, flip, key := 0, b2i(n.not), n.key
	from := a.off[0]
	for i, to := range a.off[1:len(out)] {
		out[k] = int32(i)
		k += key.short(to-from, headAt(a.data, from)) ^ flip
		from = to
	}
	return k
}

// maxTextKeys is how many keys are compared one by one; longer lists are sets.
const maxTextKeys = 8

// inText is membership of text in a short list of constants.
type inText struct {
	base
	arg  node
	keys []textKey
}

func newInText(arg node, list []string, from, to int) *inText {
	n := &inText{base: newBase(typ{kBool, arg.info().t.null}, from, to, costText*len(list), arg), arg: arg}
	for _, want := range list {
		n.keys = append(n.keys, newTextKey(want))
	}
	return n
}

func (n *inText) row(e *Eval, i int32) (value, *Fault) {
	v, fault := n.arg.row(e, i)
	if fault != nil || v.null {
		return nullValue, fault
	}
	return boolValue(n.holds(v.s)), nil
}

func (n *inText) holds(s string) bool {
	for k := range n.keys {
		if n.keys[k].want == s {
			return true
		}
	}
	return false
}

func (n *inText) columns(e *Eval, sel []int32) vec {
	a := n.arg.columns(e, sel)
	out := e.newVec(laneTri)
	for _, i := range e.rows(sel) {
		if a.off == nil {
			out.tri[i] = uint8(b2i(n.holds(a.text[i&a.mask])))
			continue
		}
		from, to := a.off[i], a.off[i+1]
		head, found := headAt(a.data, from), 0
		for k := range n.keys {
			if key := &n.keys[k]; key.size <= 8 {
				found |= key.short(to-from, head)
			} else {
				found |= key.matches(a.data, from, to, head)
			}
		}
		out.tri[i] = uint8(found)
	}
	e.nullTri(&out, &a)
	e.release(&a)
	return out
}
