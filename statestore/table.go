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

// remove takes a key out in the open epoch.
func (t *Table) remove(slot Slot) error {
	at := slot - rowHeader
	if err := t.touch(at); err != nil {
		return err
	}
	t.kill(at / t.width)
	return nil
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
