package storage

import (
	"encoding/binary"
	"slices"
	"sort"
)

// epochEntry says that the records from start on were appended in that leader
// epoch.
type epochEntry struct {
	epoch int32
	start int64
}

// epochCache is a log's history of leader epochs (KIP-101), which tells a follower
// where it parted from its leader. Epochs and starts both rise; an epoch in which
// nothing was written leaves no entry but perhaps the last.
//
// The slice is replaced and never changed, so that it can be encoded and written
// while readers go on.
type epochCache []epochEntry

func (c epochCache) latest() int32 {
	if len(c) == 0 {
		return -1
	}
	return c[len(c)-1].epoch
}

// begin adds an epoch that starts at an offset. One that is not above the latest
// changes nothing.
func (c epochCache) begin(epoch int32, start int64) epochCache {
	if epoch <= c.latest() {
		return c
	}
	n := len(c)
	for n > 0 && c[n-1].start >= start { // nothing was written in those
		n--
	}
	return append(slices.Clip(c[:n]), epochEntry{epoch, start})
}

// cutEnd removes what starts at end or above it.
func (c epochCache) cutEnd(end int64) epochCache {
	n := sort.Search(len(c), func(i int) bool { return c[i].start >= end })
	return slices.Clip(c[:n])
}

// cutStart removes what ends at start or below it; the entry that spans start
// begins there.
func (c epochCache) cutStart(start int64) epochCache {
	i := sort.Search(len(c), func(i int) bool { return c[i].start > start }) - 1
	if i < 0 || i == 0 && c[0].start == start {
		return c
	}
	rest := slices.Clone(c[i:])
	rest[0].start = start
	return rest
}

// at is the epoch of the record at an offset, -1 if that is before the first.
func (c epochCache) at(offset int64) int32 {
	i := sort.Search(len(c), func(i int) bool { return c[i].start > offset })
	if i == 0 {
		return -1
	}
	return c[i-1].epoch
}

// end is Log.EpochEnd for a log that ends at logEnd.
func (c epochCache) end(epoch int32, logEnd int64) (int32, int64) {
	if epoch < 0 || len(c) == 0 || epoch > c.latest() {
		return -1, -1
	}
	i := sort.Search(len(c), func(i int) bool { return c[i].epoch > epoch })
	switch i {
	case 0: // before all that is known: it ended where the first one starts
		return epoch, c[0].start
	case len(c):
		return c.latest(), logEnd
	}
	return c[i-1].epoch, c[i].start
}

// encode is the payload of the file leader-epochs:
//
//	count  uint32
//	count times: epoch int32, start offset int64
func (c epochCache) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(c)))
	for _, e := range c {
		b = binary.BigEndian.AppendUint32(b, uint32(e.epoch))
		b = binary.BigEndian.AppendUint64(b, uint64(e.start))
	}
	return b
}

func decodeEpochs(payload []byte) (epochCache, error) {
	d := decoder{b: payload}
	c := make(epochCache, d.count(12))
	for i := range c {
		c[i] = epochEntry{d.i32(), d.i64()}
		if i > 0 && (c[i].epoch <= c[i-1].epoch || c[i].start <= c[i-1].start) {
			d.err = errFrame
		}
	}
	return c, d.end()
}
