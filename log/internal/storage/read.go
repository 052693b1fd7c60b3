package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/millrace/millrace/log/record"
)

// view is what a reader takes of a log under mu: one segment as it was then.
type view struct {
	log     *Log
	gen     int
	swaps   int
	handle  *handle
	own     handle // of the end, where no other is needed: not one of the cache's
	size    int64  // bytes of the segment that may be read
	end     int64  // offset after them
	suspect int64  // bytes below it are checked when they are read
	entries []offsetEntry
}

// Read returns whole batches from the one that holds offset on, all of whose
// offsets are below upTo, of maxBytes at most, but at least one batch. It is empty
// if there is none below upTo. The slice is the caller's, of exactly that size,
// and shared with nobody. It ends at a segment's end, even if maxBytes would allow
// more. An offset outside the log is ErrOffsetOutOfRange.
func (l *Log) Read(offset int64, maxBytes int, upTo int64) ([]byte, error) {
	data, err := l.read(offset, maxBytes, upTo)
	if err != nil {
		return nil, l.settle("read", err)
	}
	return data, nil
}

func (l *Log) read(offset int64, maxBytes int, upTo int64) ([]byte, error) {
	for atEnd := true; ; {
		v, err := l.view(offset, upTo, atEnd)
		if v == nil {
			return nil, err
		}
		data, next, err := v.read(offset, maxBytes, upTo)
		v.release()
		if err != nil {
			if v.handle == &v.own && errors.Is(err, fs.ErrClosed) {
				atEnd = false
				continue
			}
			if err = v.explain(err); errors.Is(err, errMoved) {
				continue
			}
			return nil, err
		}
		if next == offset {
			return data, nil
		}
		offset = next // compaction has left nothing up to the segment's end
	}
}

// view finds the segment of an offset; nil if nothing is to be read there. If that
// segment goes away while it is opened, it looks again.
//
// Most readers are at the end, and a consumer of a thousand partitions that opened a
// file for each would do hardly anything else. So with atEnd the file that the log
// appends to is read from, if it is open. Nobody waits for who reads it to close it:
// then the reader gets fs.ErrClosed, and has to come again without atEnd.
func (l *Log) view(offset, upTo int64, atEnd bool) (*view, error) {
	for {
		v, err := l.tryView(offset, upTo, atEnd)
		if !errors.Is(err, errMoved) {
			return v, err
		}
	}
}

func (l *Log) tryView(offset, upTo int64, atEnd bool) (*view, error) {
	l.mu.Lock()
	err := l.usable()
	start, end := l.start, l.end
	var s *segment
	v := &view{log: l, gen: l.gen, swaps: l.swaps}
	if err == nil && offset >= start && offset < end {
		s = l.segments[segmentAt(l.segments, offset)]
		v.size, v.end, v.suspect = s.size, s.end, s.size
		if s == l.segments[len(l.segments)-1] {
			v.suspect = s.fresh
			if atEnd && l.active != nil {
				v.own = handle{seg: s, file: l.active}
				v.handle, v.entries = &v.own, s.index.offsets
			}
		}
	}
	l.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case offset < start || offset > end:
		return nil, fmt.Errorf("%w: offset %d, the log has %d to %d", ErrOffsetOutOfRange, offset, start, end)
	case s == nil || offset >= upTo:
		return nil, nil
	case v.handle != nil:
		return v, nil
	}
	var x *segmentIndex
	if v.handle, x, err = l.open(s); err != nil {
		return nil, v.explain(err)
	}
	v.entries = x.offsets
	return v, nil
}

// release ends a view.
func (v *view) release() {
	if v.handle != &v.own {
		v.log.disk.handles.release(v.handle)
	}
}

// open opens a segment that was one of the log's a moment ago, with its index, or is
// errMoved.
func (l *Log) open(s *segment) (*handle, *segmentIndex, error) {
	h, err := l.openFile(s)
	if err != nil {
		return nil, nil, err
	}
	x, err := l.indexOf(h)
	if err != nil {
		l.disk.handles.release(h)
		return nil, nil, err
	}
	return h, x, nil
}

// openFile opens a segment that was one of the log's a moment ago. If it is none any
// more it is errMoved: the file under its name may be another's. A handle that was got
// while the segment was there stays right, see swap.
func (l *Log) openFile(s *segment) (*handle, error) {
	h, err := l.disk.handles.acquire(s)
	if l.holds(s) {
		return h, err
	}
	if err == nil {
		l.disk.handles.drop(s)
		l.disk.handles.release(h)
	}
	return nil, errMoved
}

// segmentAt is the last segment that begins at or before an offset.
func segmentAt(segments []*segment, offset int64) int {
	lo, hi := 0, len(segments)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if segments[mid].base <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// explain turns what a reader stumbled over into what it means: a segment that was
// deleted or cut meanwhile, or damage.
func (v *view) explain(err error) error {
	var damage *CorruptError
	if !errors.As(err, &damage) && !errors.Is(err, errBad) && !errors.Is(err, io.EOF) &&
		!errors.Is(err, io.ErrUnexpectedEOF) && !isGone(err) {
		return err
	}
	l := v.log
	l.mu.Lock()
	changed, moved := l.gen != v.gen, l.swaps != v.swaps
	broken := l.usable()
	l.mu.Unlock()
	switch {
	case broken != nil:
		return broken
	case changed:
		return fmt.Errorf("%w: the log was cut meanwhile", ErrOffsetOutOfRange)
	case moved:
		return errMoved
	case damage != nil:
		return l.damaged(damage)
	}
	return l.damaged(&CorruptError{File: l.dir, Durable: l.Durable(), Cause: err})
}

// read is Log.Read in one segment. next is where to go on if the segment has
// nothing at or after offset.
func (v *view) read(offset int64, maxBytes int, upTo int64) (data []byte, next int64, err error) {
	w := newWalker(v.handle.file, v.size)
	defer w.done()
	start, err := v.seek(w, offset)
	if err != nil {
		return nil, 0, err
	}
	if start == v.size {
		return nil, v.end, nil
	}
	end := v.size
	if v.end > upTo || v.size-start > int64(maxBytes) {
		if end, err = v.limit(w, start, maxBytes, upTo); err != nil {
			return nil, 0, err
		}
	}
	if end == start {
		return nil, offset, nil
	}
	data = make([]byte, end-start)
	if w.copy(data, start) {
		return data, offset, v.verify(data, start)
	}
	if n, err := v.handle.file.ReadAt(data, start); n < len(data) {
		return nil, 0, fmt.Errorf("read %s at %d: %w", v.handle.file.Name(), start, err)
	}
	return data, offset, v.verify(data, start)
}

// seek finds the position of the first batch that ends at or after an offset, the
// segment's size if there is none.
func (v *view) seek(w *walker, offset int64) (int64, error) {
	e, i := floorOffset(v.entries, offset-v.handle.seg.base)
	if i >= 0 && int64(e.rel) == offset-v.handle.seg.base {
		return int64(e.pos), nil
	}
	for pos := int64(e.pos); pos < v.size; {
		h, err := w.header(pos)
		if err != nil {
			return 0, err
		}
		if h.LastOffset() >= offset {
			return pos, nil
		}
		pos += int64(h.Size())
	}
	return v.size, nil
}

// limit finds where a read that begins at start has to end: after the last batch
// that fits into maxBytes, or after the first, and before upTo.
func (v *view) limit(w *walker, start int64, maxBytes int, upTo int64) (int64, error) {
	pos := start
	if i := v.lastEntry(min(start+int64(maxBytes), v.size), upTo); i >= 0 {
		pos = max(pos, int64(v.entries[i].pos))
	}
	for pos < v.size {
		h, err := w.header(pos)
		if err != nil {
			return 0, err
		}
		next := pos + int64(h.Size())
		if h.LastOffset() >= upTo || next-start > int64(maxBytes) && pos > start {
			break
		}
		pos = next
	}
	return pos, nil
}

// lastEntry is the last index entry whose position and offset are not above some
// bounds: everything before it fits.
func (v *view) lastEntry(pos, offset int64) int {
	lo, hi := -1, len(v.entries)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		e := v.entries[mid]
		if int64(e.pos) <= pos && v.handle.seg.base+int64(e.rel) <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// verify walks the batches that were read, and looks for bits that have changed on
// the disk: clients need not, and a coordinator that reads its log back must not be
// told another story. It costs less than the copy out of the page cache;
// see BenchmarkReadChecked.
func (v *view) verify(data []byte, pos int64) error {
	next := int64(-1)
	for at := 0; at < len(data); {
		b := data[at:]
		size := int64(0)
		if len(b) >= record.HeaderSize && b[16] == record.Magic {
			size = int64(int32(binary.BigEndian.Uint32(b[8:]))) + 12
		}
		base := int64(binary.BigEndian.Uint64(b[:8:8]))
		if size < record.HeaderSize || size > int64(len(b)) || base < next {
			return &CorruptError{File: v.handle.file.Name(), Position: pos + int64(at), Durable: v.end,
				Cause: fmt.Errorf("%w: offset %d", errBad, base)}
		}
		if pos+int64(at) < v.suspect {
			if sum, want := record.Checksum(b[:size]), binary.BigEndian.Uint32(b[17:]); sum != want {
				return &CorruptError{File: v.handle.file.Name(), Position: pos + int64(at), Durable: v.end,
					Cause: fmt.Errorf("%w: checksum %08x at offset %d, the header says %08x", errBad, sum, base, want)}
			}
		}
		next = base + 1
		at += int(size)
	}
	return nil
}
