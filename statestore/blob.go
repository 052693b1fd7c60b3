package statestore

import (
	"bytes"
	"fmt"
)

// blobWords are the words of a row that hold refs.
func (t *Table) blobWords(row []uint64) []uint64 {
	return row[int(t.width)-t.family.layout.Blobs:]
}

// Blob is the byte string in the i-th blob of a row; nil if there is none. It is
// lent until the next call that writes to the table.
func (t *Table) Blob(s Slot, i int) []byte { return t.arena.get(t.rows[t.blobAt(s, i)]) }

// SetBlob stores a copy of b, which may be nil, in a row that was upserted in this
// epoch. A blob beyond 16 MiB and a used up budget are errors.
func (t *Table) SetBlob(s Slot, i int, b []byte) error {
	if len(b) > maxString {
		return fmt.Errorf("operator %s: a value of %d bytes; at most %d fit into state", t.family.view.operator, len(b), maxString)
	}
	at := t.blobAt(s, i)
	old := t.rows[at]
	if b == nil {
		t.arena.drop(old)
		t.rows[at] = 0
		return nil
	}
	if t.arena.mutable(old) && int(old&maxString) == len(b) {
		copy(t.arena.get(old), b)
		return nil
	}
	if old != 0 && bytes.Equal(t.arena.get(old), b) {
		return nil
	}
	t.arena.drop(old)
	t.rows[at] = t.arena.add(b)
	return t.account()
}

// MutBlob is the i-th blob for writing in place, in a row that was upserted in this
// epoch; nil if there is none. Its length cannot change. The first call of an epoch
// copies it.
func (t *Table) MutBlob(s Slot, i int) ([]byte, error) {
	at := t.blobAt(s, i)
	ref := t.rows[at]
	if ref == 0 || t.arena.mutable(ref) {
		return t.arena.get(ref), nil
	}
	t.arena.drop(ref)
	t.rows[at] = t.arena.add(t.arena.get(ref))
	return t.arena.get(t.rows[at]), t.account()
}

func (t *Table) blobAt(s Slot, i int) uint32 {
	return s + uint32(t.family.layout.Words-t.family.layout.Blobs+i)
}
