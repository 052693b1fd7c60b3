package statestore

import (
	"bytes"
	"cmp"
	"slices"
)

// scan walks the live keys of a partition in [from, to).
func (t *Table) scan(partition int32, from, to []byte, fn func(key, value []byte) bool) {
	if t.order == nil {
		t.order = newOrder(t, false)
	}
	chunk, i := t.order.seek(partition, from)
	var buf [inlineKey]byte
	for ; chunk < len(t.order.chunks); chunk, i = chunk+1, 0 {
		for _, id := range t.order.chunks[chunk][i:] {
			row := t.row(id)
			if rowPartition(row[rowMeta]) != partition {
				return
			}
			key := t.keyBytes(row, &buf)
			if to != nil && bytes.Compare(key, to) >= 0 {
				return
			}
			if !fn(key, t.arena.get(row[rowHeader])) {
				return
			}
		}
	}
}

// Sorter orders the rows of tables by key and keeps its memory for the next one.
type Sorter struct {
	refs  []sortRef
	slots []Slot
}

type sortRef struct {
	key0 uint64
	id   uint32
}

// Sort is the slots of all keys of a table in ascending byte order of the key,
// keys of equal bytes by partition. The slice is lent until the next Sort.
func (s *Sorter) Sort(t *Table) []Slot {
	s.collect(t, flagLive)
	slices.SortFunc(s.refs, func(a, b sortRef) int {
		if a.key0 != b.key0 {
			return cmp.Compare(a.key0, b.key0)
		}
		rowA, rowB := t.row(a.id), t.row(b.id)
		if c := t.compareTails(rowA, rowB); c != 0 {
			return c
		}
		return cmp.Compare(rowPartition(rowA[rowMeta]), rowPartition(rowB[rowMeta]))
	})
	return s.result(t)
}

// sortDirty is the slots of all dirty rows by (partition, key), as Pebble orders
// them.
func (s *Sorter) sortDirty(t *Table) []Slot {
	s.collect(t, flagDirty)
	slices.SortFunc(s.refs, func(a, b sortRef) int {
		rowA, rowB := t.row(a.id), t.row(b.id)
		if c := cmp.Compare(rowPartition(rowA[rowMeta]), rowPartition(rowB[rowMeta])); c != 0 {
			return c
		}
		if a.key0 != b.key0 {
			return cmp.Compare(a.key0, b.key0)
		}
		return t.compareTails(rowA, rowB)
	})
	return s.result(t)
}

func (s *Sorter) collect(t *Table, flag uint64) {
	s.refs = s.refs[:0]
	for id := range t.next {
		if row := t.row(id); row[rowMeta]&flag != 0 {
			s.refs = append(s.refs, sortRef{row[rowKey0], id})
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
