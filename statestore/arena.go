package statestore

// arena holds the byte strings of one table: keys too long for a row, and blobs.
// A ref names a string by offset and length; 0 is the absent string.
//
// Strings are only ever appended, never overwritten, but for those of the open
// epoch (see mutable). So the undo list saves refs, not bytes, and an abort cuts
// the arena back to where the epoch began. What is overwritten or freed stays as
// garbage until compaction, between epochs.
type arena struct {
	data  []byte
	start int // length at the start of the epoch; below it nothing is written to
	dead  int // bytes of garbage
	// deadAtStart is dead at the start of the epoch.
	deadAtStart int
}

const (
	refLenBits = 24
	// maxString is the longest key or blob.
	maxString = 1<<refLenBits - 1
	// maxArena is where refs end. A table meets its memory budget long before.
	maxArena = 1 << (64 - refLenBits)
	// noRef is no string's ref.
	noRef = 1<<64 - 1
)

func (a *arena) add(b []byte) uint64 {
	if len(a.data) == 0 {
		a.data = append(a.data, 0) // so that no ref is 0
		a.start = min(a.start, 1)
	}
	off := len(a.data)
	a.data = append(a.data, b...)
	return uint64(off)<<refLenBits | uint64(len(b))
}

// get is the string of a ref; nil only for ref 0.
func (a *arena) get(ref uint64) []byte {
	if ref == 0 {
		return nil
	}
	off, n := ref>>refLenBits, ref&maxString
	return a.data[off : off+n : off+n]
}

// mutable says whether the string was added in the open epoch, so that nothing
// outside the epoch refers to it.
func (a *arena) mutable(ref uint64) bool { return ref>>refLenBits >= uint64(a.start) && ref != 0 }

func (a *arena) drop(ref uint64) { a.dead += int(ref & maxString) }

func (a *arena) commit() { a.start, a.deadAtStart = len(a.data), a.dead }

func (a *arena) abort() {
	if len(a.data) > a.start {
		a.data = a.data[:a.start]
	}
	a.dead = a.deadAtStart
}

// wasteful says whether compaction pays: half of it is garbage, and not little.
func (a *arena) wasteful() bool { return a.dead > 64<<10 && a.dead > len(a.data)/2 }
