package statestore

import (
	"bytes"
	"slices"
)

// order keeps the live rows of a table sorted: by (partition, key) for scans, by
// (key, partition) for timers, whose keys begin with their time.
//
// A sorted slice moves half of itself on every insertion; a tree is a lot of code.
// This is a slice of sorted chunks, at most maxChunk ids each: finding is two
// binary searches, changing moves one chunk. It holds ids, not keys, and reads the
// keys where they are.
type order struct {
	t        *Table
	keyFirst bool
	chunks   [][]uint32
}

const maxChunk = 512

// newOrder sorts what is live now.
func newOrder(t *Table, keyFirst bool) *order {
	o := &order{t: t, keyFirst: keyFirst}
	ids := make([]uint32, 0, t.live)
	for id := range t.next {
		if t.row(id)[rowMeta]&flagLive != 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, o.compare)
	for chunk := range slices.Chunk(ids, maxChunk/2) {
		o.chunks = append(o.chunks, append(make([]uint32, 0, maxChunk), chunk...))
	}
	return o
}

func (o *order) compare(a, b uint32) int {
	rowA, rowB := o.t.row(a), o.t.row(b)
	byPartition := int(rowPartition(rowA[rowMeta])) - int(rowPartition(rowB[rowMeta]))
	if !o.keyFirst && byPartition != 0 {
		return byPartition
	}
	if c := o.t.compareKeys(rowA, rowB); c != 0 {
		return c
	}
	return byPartition
}

// place finds the chunk and the index in it where id is or belongs.
func (o *order) place(id uint32) (chunk, i int) {
	return o.search(func(other uint32) int { return o.compare(other, id) })
}

// seek finds the first row at or above (partition, key), for an order by
// partition.
func (o *order) seek(partition int32, key []byte) (chunk, i int) {
	var buf [inlineKey]byte
	return o.search(func(id uint32) int {
		row := o.t.row(id)
		if p := rowPartition(row[rowMeta]); p != partition {
			return int(p) - int(partition)
		}
		return bytes.Compare(o.t.keyBytes(row, &buf), key)
	})
}

// search finds the first row for which compare is not negative; the chunk is one
// beyond the last if there is none, unless the last chunk has room.
func (o *order) search(compare func(id uint32) int) (chunk, i int) {
	chunk, _ = slices.BinarySearchFunc(o.chunks, 0, func(c []uint32, _ int) int {
		if compare(c[len(c)-1]) < 0 {
			return -1
		}
		return 1
	})
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	i, _ = slices.BinarySearchFunc(o.chunks[chunk], 0, func(id uint32, _ int) int {
		if compare(id) < 0 {
			return -1
		}
		return 1
	})
	return chunk, i
}

func (o *order) insert(id uint32) {
	chunk, i := o.place(id)
	if chunk == len(o.chunks) {
		if chunk == 0 || len(o.chunks[chunk-1]) == maxChunk {
			o.chunks = append(o.chunks, append(make([]uint32, 0, maxChunk), id))
			return
		}
		o.chunks[chunk-1] = append(o.chunks[chunk-1], id)
		return
	}
	if c := o.chunks[chunk]; len(c) == maxChunk {
		upper := append(make([]uint32, 0, maxChunk), c[maxChunk/2:]...)
		o.chunks[chunk] = c[:maxChunk/2]
		o.chunks = slices.Insert(o.chunks, chunk+1, upper)
		if i > maxChunk/2 {
			chunk, i = chunk+1, i-maxChunk/2
		}
	}
	o.chunks[chunk] = slices.Insert(o.chunks[chunk], i, id)
}

// remove takes out an id that is there.
func (o *order) remove(id uint32) {
	chunk, i := o.place(id)
	o.chunks[chunk] = slices.Delete(o.chunks[chunk], i, i+1)
	if len(o.chunks[chunk]) == 0 {
		o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
	}
}

// first is the lowest live row.
func (o *order) first() (id uint32, ok bool) {
	if len(o.chunks) == 0 {
		return 0, false
	}
	return o.chunks[0][0], true
}
