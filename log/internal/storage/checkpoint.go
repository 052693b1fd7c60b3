package storage

import (
	"context"
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

// save writes the caches of a log whose files are all synced. Needs keeping,
// writing and syncing.
func (l *Log) save() error {
	if err := l.finishSegments(); err != nil {
		return err
	}
	return l.store(l.capture())
}

// keep is the keeper's turn: caches of finished segments, a checkpoint if one is
// due, and the file of a log nobody writes to.
func (l *Log) keep(now time.Time) error {
	l.mu.Lock()
	pending := len(l.segments) > 1 && l.segments[len(l.segments)-2].index != nil
	due := l.end != l.checkpointEnd && now.Sub(l.checkpointAt) >= l.disk.o.CheckpointInterval
	idle := l.active != nil && now.UnixMilli()-l.segments[len(l.segments)-1].lastMs > idleTime.Milliseconds()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if pending || due {
		if err := l.Checkpoint(); err != nil {
			return err
		}
	}
	if idle {
		l.closeIdle()
	}
	return nil
}

// Checkpoint records what is durable now, so that recovery need not read it. The
// disk does this by itself; call it to have it done at a certain moment.
func (l *Log) Checkpoint() error {
	l.keeping.lock()
	err := l.checkpoint()
	l.keeping.unlock()
	return l.settle("checkpoint", err)
}

// checkpoint needs keeping.
func (l *Log) checkpoint() error {
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.writing.lock()
	c := l.capture()
	l.writing.unlock()
	l.wantSync()
	if err := l.wait(context.Background(), c.end, true); err != nil {
		return err
	}
	if err := l.finishSegments(); err != nil {
		return err
	}
	return l.store(c)
}

// finishSegments writes the caches of finished segments and lets go of what they
// had in memory. Needs keeping.
func (l *Log) finishSegments() error {
	type pending struct {
		s        *segment
		index    *segmentIndex
		snapshot []byte
	}
	var list []pending
	l.mu.Lock()
	for i, s := range l.segments {
		p := pending{s: s, snapshot: s.snapshot}
		if i < len(l.segments)-1 {
			p.index = s.index
		}
		if p.index != nil || p.snapshot != nil {
			list = append(list, p)
		}
	}
	l.mu.Unlock()
	for _, p := range list {
		if p.snapshot != nil {
			if err := writeFrame(l.disk.o.FS, p.s.path+snapshotSuffix, kindProducers, p.snapshot); err != nil {
				return onDisk("write producer snapshot", err)
			}
		}
		if p.index != nil {
			if err := l.writeIndex(p.s, p.index); err != nil {
				return err
			}
		}
		l.mu.Lock()
		p.s.snapshot = nil
		if p.index != nil {
			p.s.index = nil
		}
		l.mu.Unlock()
	}
	return nil
}

// writeIndex writes the three index files of a finished segment.
func (l *Log) writeIndex(s *segment, x *segmentIndex) error {
	fsys := l.disk.o.FS
	if len(x.aborted) > 0 {
		if err := writeFrame(fsys, s.path+abortedSuffix, kindAborted, x.appendAborted(nil)); err != nil {
			return onDisk("write index of aborted transactions", err)
		}
	}
	if err := writeFrame(fsys, s.path+timesSuffix, kindTimes, x.appendTimes(nil)); err != nil {
		return onDisk("write time index", err)
	}
	if err := writeFrame(fsys, s.path+indexSuffix, kindIndex, x.encodeOffsets(s)); err != nil {
		return onDisk("write offset index", err)
	}
	return nil
}

// closeIdle closes the file of a log that nobody appends to, if nobody is at it.
func (l *Log) closeIdle() {
	if !l.writing.tryLock() {
		return
	}
	defer l.writing.unlock()
	if !l.syncing.tryLock() {
		return
	}
	defer l.syncing.unlock()
	l.mu.Lock()
	f := l.active
	if l.activeDirty || f == nil {
		l.mu.Unlock()
		return
	}
	l.active = nil
	l.mu.Unlock()
	l.buf, l.planned = nil, nil
	_ = f.Close() // everything in it is synced
}
