package storage

import (
	"encoding/binary"
	"fmt"
	"time"
)

// checkpoint is what is known durable, and everything in memory that describes it,
// so that recovery reads only what was appended after it. It is a cache: without
// it recovery reads more.
type checkpoint struct {
	end       int64     // everything below is on the disk
	segments  []segment // the last one as it was at end, the others finished
	index     *segmentIndex
	producers []byte // payload of a snapshot
}

const manifestBytes = 8 + 8 + 4 + 8 + 8 + 8 + 4

// encode is the payload of the file checkpoint:
//
//	end offset  int64
//	segments    uint32
//	each: base offset int64, end offset int64, size uint32, max timestamp int64,
//	  first append int64, last append int64 (the clock, ms), aborted uint32
//	the last segment's index: max timestamp int64, its batch uint32,
//	  payload of an .index without its head, of a .timeindex, of a .txnindex
//	payload of a .snapshot at the end offset
func (c *checkpoint) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.end))
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.segments)))
	for i := range c.segments {
		s := &c.segments[i]
		b = binary.BigEndian.AppendUint64(b, uint64(s.base))
		b = binary.BigEndian.AppendUint64(b, uint64(s.end))
		b = binary.BigEndian.AppendUint32(b, uint32(s.size))
		b = binary.BigEndian.AppendUint64(b, uint64(s.maxMs))
		b = binary.BigEndian.AppendUint64(b, uint64(s.firstMs))
		b = binary.BigEndian.AppendUint64(b, uint64(s.lastMs))
		b = binary.BigEndian.AppendUint32(b, uint32(s.aborted))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.index.maxMs))
	b = binary.BigEndian.AppendUint32(b, c.index.maxRel)
	b = c.index.appendOffsets(b)
	b = c.index.appendTimes(b)
	b = c.index.appendAborted(b)
	return append(b, c.producers...)
}

func decodeCheckpoint(payload []byte) (*checkpoint, error) {
	d := decoder{b: payload}
	c := &checkpoint{end: d.i64(), index: newSegmentIndex()}
	c.segments = make([]segment, d.count(manifestBytes))
	for i := range c.segments {
		c.segments[i] = segment{
			base: d.i64(), end: d.i64(), size: int64(d.u32()), maxMs: d.i64(),
			firstMs: d.i64(), lastMs: d.i64(), aborted: int(d.u32()),
		}
		s := &c.segments[i]
		if s.base < 0 || s.end < s.base || i > 0 && s.base != c.segments[i-1].end {
			return nil, fmt.Errorf("%w: segment %d", errFrame, i)
		}
	}
	if d.err == nil && (len(c.segments) == 0 || c.segments[len(c.segments)-1].end != c.end) {
		return nil, fmt.Errorf("%w: segments do not reach %d", errFrame, c.end)
	}
	c.index.maxMs, c.index.maxRel = d.i64(), d.u32()
	if d.err == nil {
		c.index.readOffsets(&d, c.last().size)
		c.index.readTimes(&d)
		c.index.readAborted(&d)
	}
	if d.err != nil {
		return nil, d.err
	}
	c.producers = d.b
	if _, offset, err := decodeProducers(c.producers); err != nil || offset != c.end {
		return nil, fmt.Errorf("%w: producers at %d: %v", errFrame, offset, err)
	}
	return c, nil
}

func (c *checkpoint) last() *segment { return &c.segments[len(c.segments)-1] }

// capture takes a checkpoint of the log's end as it is. Needs keeping and writing.
func (l *Log) capture() *checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &checkpoint{end: l.end, producers: l.producers.encode(l.end)}
	for _, s := range l.segments {
		c.segments = append(c.segments, segment{
			base: s.base, end: s.end, size: s.size, maxMs: s.maxMs, firstMs: s.firstMs, lastMs: s.lastMs, aborted: s.aborted,
		})
	}
	x := *l.segments[len(l.segments)-1].index // its slices are only appended to
	c.index = &x
	return c
}

// store writes a checkpoint of what is synced. Needs keeping.
func (l *Log) store(c *checkpoint) error {
	if err := writeFrame(l.disk.o.FS, l.dir+"/"+checkpointFile, kindCheckpoint, c.encode()); err != nil {
		return onDisk("write checkpoint", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkpointEnd, l.checkpointAt = c.end, time.Now()
	return nil
}
