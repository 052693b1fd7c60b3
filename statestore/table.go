package statestore

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"
)

// Table maps (partition, key) to a row of words and, through the last of them, to
// byte strings. It belongs to one namespace of one family.
//
// The simple way is a Go map from string to struct. It allocates a string per new
// key and a struct behind a pointer, hashes again although the exchange already
// has, and says nothing about what an epoch changed. Here a row is a fixed number
// of words in one slice without pointers, found through an index of hash tags, and
// a batch is looked up in one call: 6 to 17 ns per row and no allocation.
//
// Invariants:
//
//  1. A key has at most one row, and the index finds it. Rows in free are in
//     neither.
//  2. A row whose mark is the task's is in the undo list, once; its key, and only
//     its key, cannot change until the epoch ends.
//  3. Outside an epoch a dead row is dirty and on disk: it waits to be deleted
//     there. Any other dead row is free.
//  4. The order, if there is one, holds exactly the live rows.
type Table struct {
	family *Tables
	ns     int64
	width  uint32 // words per row, header included

	rows  []uint64
	next  uint32   // rows below it have been used
	free  []uint32 // of them, those to use again
	idx   index
	arena arena
	live  int

	undo    []uint64 // records of undo.go
	dirty   int      // rows with flagDirty
	order   *order   // nil until a scan wants one
	onDisk  bool     // Pebble may hold keys of this namespace
	created bool     // made in the open epoch
	size    int64    // bytes accounted to the budget
	warmed  uint64   // keeps the loads of warm from being optimized away
}

// Slot is a row's place: the index of its first value word in Table.Words. Slots
// stay valid until the end of the epoch or the drop of the namespace.
type Slot = uint32

// Words is the memory that slots point into: the value of slot s is
// Words()[s : s+Layout.Words]. It is valid until the next Upsert.
func (t *Table) Words() []uint64 { return t.rows }

// Len is the number of keys.
func (t *Table) Len() int { return t.live }

// Upsert finds or makes the rows of the keys sel and stores their slots, one per
// element of sel. A new row's words are all zero. Every row counts as written to
// in this epoch, so the caller may change the value words (not the blob words) in
// place. slots must be as long as sel. The only errors are ErrMemory and a key
// beyond 16 MiB; the epoch must then be aborted.
func (t *Table) Upsert(k *Keys, sel []int32, slots []Slot) error {
	_, err := t.upsert(k, sel, slots, nil, false)
	return err
}

// UpsertNew is Upsert, and reports which elements of sel made a new key: it appends
// their indexes into sel to fresh. Of several elements with one new key it is the
// first.
func (t *Table) UpsertNew(k *Keys, sel []int32, slots []Slot, fresh []int32) ([]int32, error) {
	return t.upsert(k, sel, slots, fresh, true)
}

func (t *Table) upsert(k *Keys, sel []int32, slots []Slot, fresh []int32, track bool) ([]int32, error) {
	data, off, hashes, partitions := k.Data[:cap(k.Data)], k.Off, k.Hash, k.Partition
	written := flagLive | uint64(t.family.view.task.mark)
	rows, width := t.rows, t.width
	entries, mask := t.idx.entries, t.idx.mask
	slots = slots[:len(sel)]
	if len(entries) >= largeIndex {
		t.warm(hashes, sel, slots)
	}
	for j, i := range sel {
		from, n := int(off[i]), int(off[i+1]-off[i])
		if from+inlineKey > len(data) || n > maxString || len(entries) == 0 {
			live := t.live
			slot, err := t.upsertKey(partitions[i], data[from:from+n], hashes[i])
			if err != nil {
				return fresh, err
			}
			slots[j] = slot
			if track && t.live > live {
				fresh = append(fresh, int32(j))
			}
			rows, entries, mask = t.rows, t.idx.entries, t.idx.mask
			continue
		}
		raw := data[from : from+inlineKey : from+inlineKey]
		key0, key1 := binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])
		ident := uint64(uint16(partitions[i])) << partitionShift
		long := n > inlineKey
		if long {
			key1 = noRef // compare the bytes instead
			ident |= longKey << keyLenShift
		} else {
			key0, key1 = key0&keepHigh[n], key1&keepLow[n]
			ident |= uint64(n) << keyLenShift
		}
		tag := uint32(hashes[i])
		pos := tag & mask
		for {
			e := entries[pos]
			if uint32(e>>32) == tag && e != 0 {
				at := (uint32(e) - 1) * width
				row := rows[at : at+rowHeader : at+rowHeader]
				if row[rowKey0] == key0 && row[rowMeta]&identMask == ident &&
					(row[rowKey1] == key1 || long && bytes.Equal(t.arena.get(row[rowKey1]), data[from:from+n])) {
					if row[rowMeta]&(flagLive|markMask) != written {
						if track && row[rowMeta]&flagLive == 0 {
							fresh = append(fresh, int32(j))
						}
						if err := t.touch(at); err != nil {
							return fresh, err
						}
					}
					slots[j] = at + rowHeader
					break
				}
			} else if e == 0 {
				p := probe{key0: key0, key1: key1, ident: ident, tag: tag}
				if long {
					p.key1, p.long = 0, data[from:from+n]
				}
				at, err := t.insert(p)
				if err != nil {
					return fresh, err
				}
				if track {
					fresh = append(fresh, int32(j))
				}
				slots[j] = at + rowHeader
				rows, entries, mask = t.rows, t.idx.entries, t.idx.mask
				break
			}
			pos = (pos + 1) & mask
		}
	}
	return fresh, nil
}

// largeIndex is the number of entries from which on index and rows do not fit into the
// second-level cache.
const largeIndex = 1 << 16

// warm touches the memory that a lookup of the keys will read. In the lookup itself a
// mispredicted branch waits for the load that it hangs on, and all later loads with
// it; here no branch hangs on a load, so the processor has a dozen of them under way at
// a time. It costs two nanoseconds per row and saves, with a million keys, most of
// the waiting. scratch is as long as sel and is overwritten.
func (t *Table) warm(hashes []uint64, sel []int32, scratch []Slot) {
	entries, mask := t.idx.entries, t.idx.mask
	for j, i := range sel {
		scratch[j] = max(uint32(entries[uint32(hashes[i])&mask]), 1) - 1
	}
	rows, width := t.rows, t.width
	var sum uint64
	for _, id := range scratch[:len(sel)] {
		sum += rows[id*width]
	}
	t.warmed = sum
}

// upsertKey is Upsert for one key of any length.
func (t *Table) upsertKey(partition int32, key []byte, hash uint64) (Slot, error) {
	if len(key) > maxString {
		return 0, fmt.Errorf("operator %s: a key of %d bytes; at most %d fit into state", t.family.view.operator, len(key), maxString)
	}
	p := makeProbe(partition, key, hash)
	at, found := t.find(&p)
	if !found {
		at, err := t.insert(p)
		return at + rowHeader, err
	}
	if meta := t.rows[at+rowMeta]; meta&(flagLive|markMask) != flagLive|uint64(t.family.view.task.mark) {
		if err := t.touch(at); err != nil {
			return 0, err
		}
	}
	return at + rowHeader, nil
}

// find looks a key up; at is where its row begins. The row may be dead.
func (t *Table) find(p *probe) (at uint32, found bool) {
	if len(t.idx.entries) == 0 {
		return 0, false
	}
	for pos := p.tag & t.idx.mask; ; pos = (pos + 1) & t.idx.mask {
		e := t.idx.entries[pos]
		if e == 0 {
			return 0, false
		}
		if uint32(e>>32) == p.tag {
			at := (uint32(e) - 1) * t.width
			if t.matches(t.rows[at:at+rowHeader], p) {
				return at, true
			}
		}
	}
}

// lookup finds the slot of a live key.
func (t *Table) lookup(partition int32, key []byte) (Slot, bool) {
	if len(key) > maxString {
		return 0, false
	}
	p := makeProbe(partition, key, xxh3.Hash(key))
	at, found := t.find(&p)
	if !found || t.rows[at+rowMeta]&flagLive == 0 {
		return 0, false
	}
	return at + rowHeader, true
}

// insert makes the row of a key that has none, written to in this epoch.
func (t *Table) insert(p probe) (at uint32, err error) {
	id, err := t.alloc()
	if err != nil {
		return 0, err
	}
	t.fill(id, &p)
	at = id * t.width
	if err := t.touch(at); err != nil {
		return 0, err
	}
	return at, t.account()
}

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

// remove takes a key out in the open epoch.
func (t *Table) remove(slot Slot) error {
	at := slot - rowHeader
	if err := t.touch(at); err != nil {
		return err
	}
	t.kill(at / t.width)
	return nil
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

func (t *Table) row(id uint32) []uint64 { return t.rows[id*t.width : (id+1)*t.width] }

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

// Key appends the key of a row to dst.
func (t *Table) Key(dst []byte, s Slot) []byte {
	return t.appendKey(dst, t.rows[s-rowHeader:])
}

// Partition is the state partition of a row.
func (t *Table) Partition(s Slot) int32 { return rowPartition(t.rows[s-rowHeader+rowMeta]) }

// account tells the budget how large the table has become.
func (t *Table) account() error {
	size := 8*int64(cap(t.rows)+cap(t.undo)+cap(t.idx.entries)) + 4*int64(cap(t.free)) + int64(cap(t.arena.data))
	delta := size - t.size
	if delta == 0 {
		return nil
	}
	t.size = size
	return t.family.view.task.charge(delta, t.family.view.operator)
}
