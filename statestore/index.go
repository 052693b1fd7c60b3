package statestore

// index finds row ids by the low half of the key's hash: open addressing with linear
// probing, deletion by shifting back, at most half full, because a probe that goes on
// is a mispredicted branch and costs more than the memory.
//
// An entry is tag<<32 | id+1; 0 is empty. The tag alone gives an entry's home, so
// growing and shifting never look at a row. Partitions are chosen by the high half
// of the hash (columnar.PartitionOf), so the tags of one task are not skewed.
type index struct {
	entries []uint64 // a power of two
	mask    uint32
	used    int
	limit   int // grow when used reaches it
}

const minIndex = 16

func (x *index) init(size int) {
	x.entries = make([]uint64, size)
	x.mask = uint32(size - 1)
	x.limit = size / 2
	x.used = 0
}

// clear empties the index and keeps its memory.
func (x *index) clear() {
	clear(x.entries)
	x.used = 0
}

// add inserts an id that is not there. The caller has made room.
func (x *index) add(tag uint32, id uint32) {
	pos := tag & x.mask
	for x.entries[pos] != 0 {
		pos = (pos + 1) & x.mask
	}
	x.entries[pos] = uint64(tag)<<32 | uint64(id+1)
	x.used++
}

// grow doubles the index, or makes it.
func (x *index) grow() {
	old := x.entries
	x.init(max(minIndex, 2*len(old)))
	for _, e := range old {
		if e != 0 {
			x.add(uint32(e>>32), uint32(e)-1)
		}
	}
}

// remove takes out an id that is there and closes the gap: every entry of the run
// behind it that is not at home between the gap and itself moves up.
func (x *index) remove(tag uint32, id uint32) {
	want := uint64(tag)<<32 | uint64(id+1)
	pos := tag & x.mask
	for x.entries[pos] != want {
		pos = (pos + 1) & x.mask
	}
	gap := pos
	for {
		pos = (pos + 1) & x.mask
		e := x.entries[pos]
		if e == 0 {
			break
		}
		home := uint32(e>>32) & x.mask
		if (pos-home)&x.mask >= (pos-gap)&x.mask {
			x.entries[gap] = e
			gap = pos
		}
	}
	x.entries[gap] = 0
	x.used--
}
