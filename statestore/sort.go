package statestore

import (
	"cmp"
	"slices"
)

// Sorter orders the rows of tables by key and keeps its memory for the next one.
type Sorter struct {
	refs  []sortRef
	slots []Slot
}

// sortRef is a row with what usually decides its place, so that sorting stays out of
// the table's memory.
type sortRef struct {
	key0, key1 uint64
	ident      uint64 // partition and key length
	id         uint32
}

// Sort is the slots of all keys of a table in ascending byte order of the key,
// keys of equal bytes by partition. The slice is lent until the next Sort.
func (s *Sorter) Sort(t *Table) []Slot {
	s.collect(t, flagLive)
	slices.SortFunc(s.refs, func(a, b sortRef) int {
		if c := t.compareRefs(a, b); c != 0 {
			return c
		}
		return cmp.Compare(rowPartition(a.ident), rowPartition(b.ident))
	})
	return s.result(t)
}

// sortDirty is the slots of all dirty rows by (partition, key), as Pebble orders
// them.
func (s *Sorter) sortDirty(t *Table) []Slot {
	s.collect(t, flagDirty)
	slices.SortFunc(s.refs, func(a, b sortRef) int {
		if c := cmp.Compare(rowPartition(a.ident), rowPartition(b.ident)); c != 0 {
			return c
		}
		return t.compareRefs(a, b)
	})
	return s.result(t)
}

// compareRefs orders by key bytes.
func (t *Table) compareRefs(a, b sortRef) int {
	switch {
	case a.key0 != b.key0:
		return cmp.Compare(a.key0, b.key0)
	case a.ident&keyLenMask == longKey<<keyLenShift || b.ident&keyLenMask == longKey<<keyLenShift:
		return t.compareTails(t.row(a.id), t.row(b.id))
	case a.key1 != b.key1:
		return cmp.Compare(a.key1, b.key1)
	}
	return cmp.Compare(a.ident&keyLenMask, b.ident&keyLenMask)
}

func (s *Sorter) collect(t *Table, flag uint64) {
	s.refs = s.refs[:0]
	for id := range t.next {
		if row := t.row(id); row[rowMeta]&flag != 0 {
			s.refs = append(s.refs, sortRef{row[rowKey0], row[rowKey1], row[rowMeta] & identMask, id})
		}
	}
}

func (s *Sorter) result(t *Table) []Slot {
	s.slots = s.slots[:0]
	for _, ref := range s.refs {
		s.slots = append(s.slots, ref.id*t.width+rowHeader)
	}
	return s.slots
}
