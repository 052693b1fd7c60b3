package storage

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/millrace/millrace/log/record"
)

// offsetEntry says at which byte of a segment a batch begins.
type offsetEntry struct {
	rel uint32 // base offset of the batch, less the segment's
	pos uint32
}

// timeEntry says that all records before a batch have timestamps up to max.
type timeEntry struct {
	maxMs int64
	rel   uint32
}

// abortedEntry is a transaction whose abort marker is in this segment.
type abortedEntry struct {
	producerID int64
	first      int64 // offset of its first record, perhaps in an earlier segment
	marker     int64 // offset of its marker
	stable     int64 // last stable offset right after the marker
}

// segmentIndex finds records in a segment. An entry for every batch would be exact
// and, at 200 bytes a batch, five million of them in a segment; so there is one
// for every IndexInterval bytes, and the headers in between are walked. Times are
// asked for less often, and have an entry with every fourth.
//
//  1. The first entry is that of the segment's first batch, and every entry points
//     at the first byte of a batch.
//  2. Between two entries batches begin at most interval bytes apart from the
//     first of them.
//  3. Slices are only appended to, and replaced where entries are removed; so who
//     has a slice may read it while the log is written.
type segmentIndex struct {
	offsets []offsetEntry
	times   []timeEntry
	aborted []abortedEntry

	// maxMs is the highest timestamp, -1 if none, and maxRel the first batch with it.
	maxMs  int64
	maxRel uint32
}

func newSegmentIndex() *segmentIndex { return &segmentIndex{maxMs: -1} }

// add takes the batch at pos, after all before it.
func (x *segmentIndex) add(h *record.Header, base, pos, interval int64) {
	rel := uint32(h.BaseOffset - base)
	if n := len(x.offsets); n == 0 || pos-int64(x.offsets[n-1].pos) >= interval {
		if k := len(x.times); n%4 == 3 && x.maxMs >= 0 && (k == 0 || x.times[k-1].maxMs < x.maxMs) {
			x.times = append(x.times, timeEntry{x.maxMs, rel})
		}
		x.offsets = append(x.offsets, offsetEntry{rel, uint32(pos)})
	}
	if h.Count > 0 && h.MaxTimestamp > x.maxMs { // an emptied batch has no record of that time
		x.maxMs, x.maxRel = h.MaxTimestamp, rel
	}
}

// floorOffset is the last entry at or before an offset, and where it is. The zero entry
// stands for an empty index.
func floorOffset(entries []offsetEntry, rel int64) (e offsetEntry, i int) {
	i = sort.Search(len(entries), func(i int) bool { return int64(entries[i].rel) > rel }) - 1
	if i < 0 {
		return offsetEntry{}, -1
	}
	return entries[i], i
}

// from is the relative offset at which a search for a timestamp has to begin:
// everything before it is older.
func (x *segmentIndex) from(timestampMs int64) uint32 {
	i := sort.Search(len(x.times), func(i int) bool { return x.times[i].maxMs >= timestampMs }) - 1
	if i < 0 {
		return 0
	}
	return x.times[i].rel
}

// encodeOffsets is the payload of an .index file, which also sums up the segment:
//
//	base offset     int64
//	end offset      int64   of the next segment
//	size            uint32  of the .log file, in bytes
//	max timestamp   int64
//	its batch       uint32  offset less base
//	aborted         uint32  entries of the .txnindex file, which is missing if 0
//	count           uint32
//	count times: offset less base uint32, position uint32
func (x *segmentIndex) encodeOffsets(s *segment) []byte {
	b := make([]byte, 0, 40+8*len(x.offsets))
	b = binary.BigEndian.AppendUint64(b, uint64(s.base))
	b = binary.BigEndian.AppendUint64(b, uint64(s.end))
	b = binary.BigEndian.AppendUint32(b, uint32(s.size))
	b = binary.BigEndian.AppendUint64(b, uint64(x.maxMs))
	b = binary.BigEndian.AppendUint32(b, x.maxRel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.aborted)))
	return x.appendOffsets(b)
}

func (x *segmentIndex) appendOffsets(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.offsets)))
	for _, e := range x.offsets {
		b = binary.BigEndian.AppendUint32(b, e.rel)
		b = binary.BigEndian.AppendUint32(b, e.pos)
	}
	return b
}

// appendTimes is the payload of a .timeindex file:
//
//	count  uint32
//	count times: timestamp int64, offset less base uint32
func (x *segmentIndex) appendTimes(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.times)))
	for _, e := range x.times {
		b = binary.BigEndian.AppendUint64(b, uint64(e.maxMs))
		b = binary.BigEndian.AppendUint32(b, e.rel)
	}
	return b
}

// appendAborted is the payload of a .txnindex file:
//
//	count  uint32
//	count times: producer id, first offset, marker offset, stable offset, int64 each
func (x *segmentIndex) appendAborted(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.aborted)))
	for _, e := range x.aborted {
		for _, v := range [...]int64{e.producerID, e.first, e.marker, e.stable} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
	}
	return b
}

// decodeOffsets reads an .index payload for a segment of known base, end and size;
// an index of anything else is not this one's.
func (x *segmentIndex) decodeOffsets(payload []byte, s *segment) (aborted int, err error) {
	d := decoder{b: payload}
	base, end, size := d.i64(), d.i64(), int64(d.u32())
	x.maxMs, x.maxRel = d.i64(), d.u32()
	aborted = int(d.u32())
	x.readOffsets(&d, size)
	if err := d.end(); err != nil {
		return 0, err
	}
	if base != s.base || end != s.end || size != s.size {
		return 0, fmt.Errorf("%w: it is for offsets %d to %d in %d bytes, the segment has %d to %d in %d",
			errFrame, base, end, size, s.base, s.end, s.size)
	}
	return aborted, nil
}

// readOffsets refuses entries that do not rise or lie outside the segment: a wrong
// position would be found out, but as damage of the segment.
func (x *segmentIndex) readOffsets(d *decoder, size int64) {
	x.offsets = make([]offsetEntry, d.count(8))
	for i := range x.offsets {
		x.offsets[i] = offsetEntry{d.u32(), d.u32()}
		e := x.offsets[i]
		if int64(e.pos) >= size || i == 0 && e.pos != 0 ||
			i > 0 && (e.rel <= x.offsets[i-1].rel || e.pos <= x.offsets[i-1].pos) {
			d.err = fmt.Errorf("%w: entry %d is out of order", errFrame, i)
		}
	}
	if d.err == nil && (size > 0) != (len(x.offsets) > 0) {
		d.err = fmt.Errorf("%w: %d entries for %d bytes", errFrame, len(x.offsets), size)
	}
}

func (x *segmentIndex) readTimes(d *decoder) {
	x.times = make([]timeEntry, d.count(12))
	for i := range x.times {
		x.times[i] = timeEntry{d.i64(), d.u32()}
		if i > 0 && (x.times[i].maxMs <= x.times[i-1].maxMs || x.times[i].rel <= x.times[i-1].rel) {
			d.err = fmt.Errorf("%w: entry %d is out of order", errFrame, i)
		}
	}
}

func (x *segmentIndex) readAborted(d *decoder) {
	x.aborted = make([]abortedEntry, d.count(32))
	for i := range x.aborted {
		x.aborted[i] = abortedEntry{d.i64(), d.i64(), d.i64(), d.i64()}
		if i > 0 && x.aborted[i].marker <= x.aborted[i-1].marker {
			d.err = fmt.Errorf("%w: entry %d is out of order", errFrame, i)
		}
	}
}
