package statestore

import (
	"fmt"

	"github.com/zeebo/xxh3"
)

// The life of a row: alloc takes one, fill gives it a key, revive and kill say whether
// the key exists, release gives it back.

// alloc takes a free row and makes room for it in the index. Its meta is not
// meaningful.
func (t *Table) alloc() (id uint32, err error) {
	if t.idx.used >= t.idx.limit {
		t.idx.grow()
	}
	if n := len(t.free); n > 0 {
		id = t.free[n-1]
		t.free = t.free[:n-1]
		return id, nil
	}
	end := (uint64(t.next) + 1) * uint64(t.width)
	if end > 1<<32-1 || len(t.arena.data) > maxArena-maxString {
		return 0, fmt.Errorf("operator %s: %w: more keys in one window than one task can address; raise parallelism", t.family.view.operator, ErrMemory)
	}
	if end > uint64(len(t.rows)) {
		t.rows = growRows(t.rows, t.width)
	}
	id = t.next
	t.next++
	return id, nil
}

// growRows doubles small slabs and adds a quarter to large ones.
func growRows(rows []uint64, width uint32) []uint64 {
	n := len(rows) / int(width)
	switch {
	case n == 0:
		n = 8
	case n < 1<<16:
		n *= 2
	default:
		n += n / 4
	}
	grown := make([]uint64, n*int(width))
	copy(grown, rows)
	return grown
}

// fill makes a free row that of a key, dead and with a value of zeros.
func (t *Table) fill(id uint32, p *probe) {
	row := t.row(id)
	clear(row[rowHeader:])
	row[rowKey0], row[rowKey1], row[rowMeta] = p.key0, p.key1, p.ident
	if p.long != nil {
		row[rowKey1] = t.arena.add(p.long)
	}
	t.idx.add(p.tag, id)
}

// put finds or makes a row outside an epoch, as loading and restoring do. A new one
// is dead.
func (t *Table) put(partition int32, key []byte) (id uint32, err error) {
	p := makeProbe(partition, key, xxh3.Hash(key))
	if at, found := t.find(&p); found {
		return at / t.width, nil
	}
	if id, err = t.alloc(); err != nil {
		return 0, err
	}
	t.fill(id, &p)
	return id, t.account()
}

// revive makes a dead row live, with a value of zeros.
func (t *Table) revive(id uint32) {
	row := t.row(id)
	row[rowMeta] |= flagLive
	clear(row[rowHeader:])
	t.live++
	if t.order != nil {
		t.order.insert(id)
	}
}

// kill makes a live row dead.
func (t *Table) kill(id uint32) {
	row := t.row(id)
	row[rowMeta] &^= flagLive
	for _, ref := range t.blobWords(row) {
		t.arena.drop(ref)
	}
	clear(row[rowHeader:])
	t.live--
	if t.order != nil {
		t.order.remove(id)
	}
}

// release gives a row back: its key is gone for good.
func (t *Table) release(id uint32) {
	row := t.row(id)
	var buf [inlineKey]byte
	key := t.keyBytes(row, &buf)
	t.idx.remove(uint32(xxh3.Hash(key)), id)
	if row[rowMeta]&keyLenMask == longKey<<keyLenShift {
		t.arena.drop(row[rowKey1])
	}
	row[rowMeta] = 0
	t.free = append(t.free, id)
}

func (t *Table) row(id uint32) []uint64 { return t.rows[id*t.width : (id+1)*t.width] }
