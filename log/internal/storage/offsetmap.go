package storage

import (
	"crypto/sha256"
	"encoding/binary"
)

// offsetMap knows the last offset of every key of a range of the log, in bounded
// memory.
//
// A map from key to offset would be exact and as large as the keys. This one keeps
// 16 bytes of a key's SHA-256 in their place, so an entry has 24 bytes whatever the
// key, and two keys that agree in them count as one: the older would be lost. Among
// a billion keys the chance of that is one in 10^21. A short hash without a secret
// would do against accidents, but anybody who can write to a topic could look for
// two keys that collide; in SHA-256 nobody finds them.
//
// Open addressing, linear probing, at most three quarters full. It doubles up to
// its limit, and the limit leaves room for the old table while it grows.
type offsetMap struct {
	slots []mapSlot
	used  int
	most  int // slots at most
}

type mapSlot struct {
	hash [16]byte
	next int64 // the offset plus one; 0 is an empty slot
}

const (
	mapSlotBytes = 24
	mapFirst     = 1 << 10 // slots of a new map
)

// newOffsetMap is a map that takes up to so many bytes.
func newOffsetMap(limitBytes int64) *offsetMap {
	most := mapFirst
	for int64(most)*2*mapSlotBytes*3/2 <= limitBytes {
		most *= 2
	}
	return &offsetMap{slots: make([]mapSlot, mapFirst), most: most}
}

// put takes a key at an offset that is above all earlier ones. It is false if there
// is no room.
func (m *offsetMap) put(key []byte, offset int64) bool {
	if m.used >= len(m.slots)/4*3 && !m.grow() {
		return false
	}
	hash := hashKey(key)
	s := m.find(hash)
	if s.next == 0 {
		s.hash = hash
		m.used++
	}
	s.next = offset + 1
	return true
}

// latest is the last offset of a key, -1 if the map does not have it.
func (m *offsetMap) latest(key []byte) int64 { return m.find(hashKey(key)).next - 1 }

func hashKey(key []byte) [16]byte {
	sum := sha256.Sum256(key)
	return [16]byte(sum[:16])
}

// find is the slot of a hash, or the empty one where it belongs.
func (m *offsetMap) find(hash [16]byte) *mapSlot {
	mask := uint64(len(m.slots) - 1)
	for i := binary.LittleEndian.Uint64(hash[:]) & mask; ; i = (i + 1) & mask {
		if s := &m.slots[i]; s.next == 0 || s.hash == hash {
			return s
		}
	}
}

func (m *offsetMap) grow() bool {
	if len(m.slots) >= m.most {
		return false
	}
	old := m.slots
	m.slots = make([]mapSlot, 2*len(old))
	for i := range old {
		if old[i].next != 0 {
			*m.find(old[i].hash) = old[i]
		}
	}
	return true
}

// reset empties the map and keeps its memory.
func (m *offsetMap) reset() {
	clear(m.slots)
	m.used = 0
}
