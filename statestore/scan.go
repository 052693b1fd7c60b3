package statestore

import "bytes"

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
