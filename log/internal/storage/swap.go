package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// A compacted segment takes the place of a group of old ones in one step that a
// crash cannot halve. Renaming does that for one file, but the group has several,
// and their indexes beside them. So the decision is a file of its own, swap: it
// names the new segment and what it replaces. Before it is durable nothing has
// happened, and recovery removes the new segment; from then on the swap is true, and
// recovery, or the process that goes on, does what is left of it:
//
//  1. the first segment's index files go, they describe another file;
//  2. the new segment takes the first one's name (its base offset is the same);
//  3. the others go, with everything that belongs to them;
//  4. the file swap goes.
//
// Each step may be repeated. The checkpoint names segments with their sizes, so it
// goes before the file swap comes and is written anew afterwards.
const (
	swapFile    = "swap"    // truth while it is there
	cleanerFile = "cleaner" // cache
)

// errMoved says that a segment was replaced by its compacted successor: look again.
var errMoved = errors.New("segment was replaced meanwhile")

// holds says whether a segment is one of the log's.
func (l *Log) holds(s *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[segmentAt(l.segments, s.base)] == s
}

// swap puts a compacted segment, whose file is synced, in the place of a group. If
// one of the group has gone meanwhile it is errMoved and nothing happens.
//
// Readers go on: who has an old segment open finishes with it. The old files and
// their indexes are held open until the log shows the new segment, so that a reader
// who chose an old one before that finds it.
func (l *Log) swap(group []*segment, fresh *segment) error {
	l.keeping.lock()
	defer l.keeping.unlock()
	at, err := l.place(group)
	if err != nil {
		return err
	}
	pinned, err := l.pin(group)
	defer func() {
		for _, h := range pinned {
			l.disk.handles.release(h)
		}
	}()
	if err != nil {
		return err
	}
	if err := l.forgetCheckpoint(); err != nil { // this also syncs the new segment's name
		return err
	}
	l.mu.Lock()
	l.checkpointEnd = -1 // there is none: the keeper writes one if this does not get there
	l.mu.Unlock()
	m := swapManifest{base: fresh.base, end: fresh.end, size: fresh.size}
	for _, s := range group[1:] {
		m.replaced = append(m.replaced, s.base)
	}
	if err := writeFrame(l.disk.o.FS, l.dir+"/"+swapFile, kindSwap, m.encode()); err != nil {
		return onDisk("write swap", err)
	}
	if err := l.beginSwap(fresh.path); err != nil {
		return final(err)
	}
	l.show(at, group, fresh)
	if err := l.endSwap(&m); err != nil {
		return final(err)
	}
	return l.checkpoint()
}

// place is where a group stands among the segments.
func (l *Log) place(group []*segment) (at int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	at = segmentAt(l.segments, group[0].base)
	if at+len(group) >= len(l.segments) || !slices.Equal(l.segments[at:at+len(group)], group) {
		return 0, errMoved
	}
	return at, nil
}

// pin holds segments open, with their indexes loaded.
func (l *Log) pin(group []*segment) (pinned []*handle, err error) {
	for _, s := range group {
		h, err := l.disk.handles.acquire(s)
		if err != nil {
			return pinned, err
		}
		pinned = append(pinned, h)
		if _, err := l.indexOf(h); err != nil {
			return pinned, err
		}
	}
	return pinned, nil
}

// show lets readers see the new segment. Needs keeping.
func (l *Log) show(at int, group []*segment, fresh *segment) {
	l.mu.Lock()
	fresh.snapshot = group[0].snapshot
	l.segments = slices.Replace(slices.Clone(l.segments), at, at+len(group), fresh)
	l.swaps++
	l.mu.Unlock()
	for _, s := range group {
		l.disk.handles.drop(s)
	}
}

// beginSwap does steps 1 and 2.
func (l *Log) beginSwap(path string) error {
	fsys := l.disk.o.FS
	if err := l.removeFiles(path, indexSuffix, timesSuffix, abortedSuffix); err != nil {
		return err
	}
	if err := fsys.SyncDir(l.dir); err != nil { // no index may outlive the segment it describes
		return err
	}
	if err := fsys.Rename(path+cleanedSuffix, path+logSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsys.SyncDir(l.dir)
}

// endSwap does steps 3 and 4.
func (l *Log) endSwap(m *swapManifest) error {
	fsys := l.disk.o.FS
	for _, base := range m.replaced {
		if err := l.removeSegment(l.dir + "/" + segmentName(base)); err != nil {
			return err
		}
	}
	if err := fsys.SyncDir(l.dir); err != nil {
		return err
	}
	if err := fsys.Remove(l.dir + "/" + swapFile); err != nil {
		return err
	}
	return fsys.SyncDir(l.dir)
}

// resumeSwap finishes a swap that a crash has interrupted.
func (r *recovery) resumeSwap() error {
	l := r.l
	payload, err := readFrame(r.fsys, l.dir+"/"+swapFile, kindSwap)
	if err != nil {
		return r.refuse(swapFile, err)
	}
	if payload == nil {
		return nil
	}
	m, err := decodeSwap(payload)
	if err != nil {
		return r.refuse(swapFile, err)
	}
	path := l.dir + "/" + segmentName(m.base)
	if err := l.beginSwap(path); err != nil {
		return onDisk("finish swap", err)
	}
	info, err := r.fsys.Stat(path + logSuffix)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil || info.Size() != m.size:
		return r.refuse(swapFile, fmt.Errorf("%w: it promises a segment at %d of %d bytes, which is not there", errFrame, m.base, m.size))
	}
	return onDisk("finish swap", l.endSwap(&m))
}

// swapManifest is the payload of the file swap:
//
//	base offset  int64   of the new segment and of the first one replaced
//	end offset   int64
//	size         uint32  of the new segment's file
//	count        uint32
//	count times: base offset int64 of another segment replaced
type swapManifest struct {
	base, end, size int64
	replaced        []int64
}

func (m *swapManifest) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.base))
	b = binary.BigEndian.AppendUint64(b, uint64(m.end))
	b = binary.BigEndian.AppendUint32(b, uint32(m.size))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.replaced)))
	for _, base := range m.replaced {
		b = binary.BigEndian.AppendUint64(b, uint64(base))
	}
	return b
}

func decodeSwap(payload []byte) (swapManifest, error) {
	d := decoder{b: payload}
	m := swapManifest{base: d.i64(), end: d.i64(), size: int64(d.u32())}
	n := d.count(8)
	before := m.base
	for range n {
		base := d.i64()
		if base <= before || base >= m.end {
			d.err = fmt.Errorf("%w: segment %d", errFrame, base)
		}
		m.replaced, before = append(m.replaced, base), base
	}
	if d.err == nil && (m.base < 0 || m.end <= m.base) {
		d.err = errFrame
	}
	return m, d.end()
}
