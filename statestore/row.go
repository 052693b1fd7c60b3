package statestore

import (
	"bytes"
	"encoding/binary"
)

// A row is a few words in Table.rows:
//
//	+------+------+------+----------------+
//	| key0 | key1 | meta | value words ... |
//	+------+------+------+----------------+
//
// key0 is the first eight bytes of the key, big endian and padded with zeros, so
// that comparing key0 as numbers orders rows by key but for ties. key1 is the next
// eight bytes, or, of a key longer than 16 bytes, its ref into the arena.
//
// meta is, from the low end:
//
//	32 bits  mark: the epoch in which the row was last saved for undo
//	16 bits  state partition
//	 5 bits  key length, or longKey
//	 flags
const (
	rowKey0 = iota
	rowKey1
	rowMeta
	rowHeader // where the value begins
)

const (
	inlineKey = 16
	longKey   = 31

	markMask       = 1<<32 - 1
	partitionShift = 32
	keyLenShift    = 48
	keyLenMask     = 31 << keyLenShift
	// identMask are the bits of meta that belong to the key.
	identMask = 0xffff<<partitionShift | keyLenMask

	flagLive  = 1 << 56 // the key exists; a dead row waits for a checkpoint or for its commit
	flagDirty = 1 << 57 // committed and not yet in Pebble; the row is in Table.dirty
	flagDisk  = 1 << 58 // Pebble holds some value of the key
)

// maxPartitions is what fits into meta.
const maxPartitions = 1 << 16

// keepHigh and keepLow mask what a key of n inline bytes leaves of key0 and key1.
var keepHigh, keepLow = inlineMasks()

func inlineMasks() (high, low [inlineKey + 1]uint64) {
	for n := range high { // a shift by 64 leaves nothing
		high[n] = ^uint64(0) << (64 - 8*min(n, 8))
		low[n] = ^uint64(0) << (64 - 8*max(n-8, 0))
	}
	return high, low
}

// probe is a key in the shape in which rows compare.
type probe struct {
	key0, key1 uint64 // key1 is 0 for a long key
	ident      uint64 // the identMask bits of meta
	tag        uint32
	long       []byte // the whole key if it is long
}

func makeProbe(partition int32, key []byte, hash uint64) probe {
	p := probe{tag: uint32(hash), ident: uint64(uint16(partition)) << partitionShift}
	if len(key) > inlineKey {
		p.key0 = binary.BigEndian.Uint64(key)
		p.ident |= longKey << keyLenShift
		p.long = key
		return p
	}
	var pad [inlineKey]byte
	copy(pad[:], key)
	p.key0 = binary.BigEndian.Uint64(pad[:])
	p.key1 = binary.BigEndian.Uint64(pad[8:])
	p.ident |= uint64(len(key)) << keyLenShift
	return p
}

// matches compares a row with a probe.
func (t *Table) matches(row []uint64, p *probe) bool {
	if row[rowKey0] != p.key0 || row[rowMeta]&identMask != p.ident {
		return false
	}
	if p.long == nil {
		return row[rowKey1] == p.key1
	}
	return bytes.Equal(t.arena.get(row[rowKey1]), p.long)
}

// appendKey appends a row's key.
func (t *Table) appendKey(dst []byte, row []uint64) []byte {
	n := row[rowMeta] & keyLenMask >> keyLenShift
	if n == longKey {
		return append(dst, t.arena.get(row[rowKey1])...)
	}
	var pad [inlineKey]byte
	binary.BigEndian.PutUint64(pad[:], row[rowKey0])
	binary.BigEndian.PutUint64(pad[8:], row[rowKey1])
	return append(dst, pad[:n]...)
}

func rowPartition(meta uint64) int32 { return int32(uint16(meta >> partitionShift)) }

// compareKeys orders two rows by key bytes.
func (t *Table) compareKeys(a, b []uint64) int {
	if a[rowKey0] != b[rowKey0] {
		if a[rowKey0] < b[rowKey0] {
			return -1
		}
		return 1
	}
	return t.compareTails(a, b)
}

func (t *Table) compareTails(a, b []uint64) int {
	la, lb := a[rowMeta]&keyLenMask, b[rowMeta]&keyLenMask
	if la != longKey<<keyLenShift && lb != longKey<<keyLenShift {
		switch {
		case a[rowKey1] != b[rowKey1]:
			if a[rowKey1] < b[rowKey1] {
				return -1
			}
			return 1
		case la < lb:
			return -1
		case la > lb:
			return 1
		}
		return 0
	}
	var bufA, bufB [inlineKey]byte
	return bytes.Compare(t.keyBytes(a, &bufA), t.keyBytes(b, &bufB))
}

// keyBytes is a row's key, in buf if it is inline.
func (t *Table) keyBytes(row []uint64, buf *[inlineKey]byte) []byte {
	n := row[rowMeta] & keyLenMask >> keyLenShift
	if n == longKey {
		return t.arena.get(row[rowKey1])
	}
	binary.BigEndian.PutUint64(buf[:], row[rowKey0])
	binary.BigEndian.PutUint64(buf[8:], row[rowKey1])
	return buf[:n]
}
