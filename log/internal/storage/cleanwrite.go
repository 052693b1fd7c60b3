package storage

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// cleanedSuffix ends the name of a segment that compaction is writing. Without a
// file swap that names it, it is garbage.
const cleanedSuffix = logSuffix + ".cleaned"

const (
	cleanBuffer = 256 << 10
	// cleanSync is how much is written between two syncs, so that the last one, and
	// the commit loop beside it, need not wait for a gigabyte.
	cleanSync = 16 << 20
)

// cleanWriter writes the segment that will replace a group. As long as everything
// stays as it is it writes nothing: a single segment without anything to remove
// costs a read.
type cleanWriter struct {
	p       *cleanPass
	group   []*segment
	seg     *segment // the new one; its index is filled on the way
	changed bool
	from    *segment // what is read now
	aborted map[int64]abortedEntry
	file    vfs.File // nil while nothing has changed
	buf     []byte
	dirty   int // bytes written since the last sync
}

func newCleanWriter(p *cleanPass, group []*segment) (*cleanWriter, error) {
	first, last := group[0], group[len(group)-1]
	s := newSegment(p.l.dir, first.base)
	s.firstMs, s.lastMs, s.end = first.firstMs, last.lastMs, last.end
	w := &cleanWriter{p: p, group: group, seg: s, aborted: map[int64]abortedEntry{}}
	v := &view{log: p.l}
	p.l.mu.Lock()
	v.gen, v.swaps = p.l.gen, p.l.swaps
	p.l.mu.Unlock()
	for _, old := range group {
		s.lastMs = max(s.lastMs, old.lastMs)
		entries, err := v.abortedIn(old)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			w.aborted[e.marker] = e
		}
	}
	if len(group) > 1 {
		return w, w.begin()
	}
	return w, nil
}

// source is the segment that the next batches come from.
func (w *cleanWriter) source(s *segment) { w.from = s }

// begin opens the file, because something has changed. It may become as large as the
// group, and leaves room for those who need it more.
func (w *cleanWriter) begin() (err error) {
	d := w.p.l.disk
	if err := d.measure(); err != nil {
		return err
	}
	need := d.o.MinFreeBytes
	for _, s := range w.group {
		need += uint64(s.size)
	}
	if have := d.free.Load(); have < need {
		return fmt.Errorf("%w: %d bytes are left, compaction of %v needs %d", ErrFull, have, w.p.l.id, need)
	}
	w.changed = true
	w.file, err = w.p.l.disk.o.FS.Create(w.path())
	return onDisk("write compacted segment", err)
}

func (w *cleanWriter) path() string { return w.seg.path + cleanedSuffix }

// add takes what is left of the batch at a position of the source.
func (w *cleanWriter) add(pos int64, was *record.Header, batch []byte) error {
	same := len(batch) > 0 && len(w.p.batch) > 0 && &batch[0] == &w.p.batch[0]
	if !same && !w.changed {
		if err := w.begin(); err != nil {
			return err
		}
		if err := w.copyPrefix(pos); err != nil {
			return err
		}
	}
	if batch == nil {
		return nil
	}
	h, err := record.ParseHeader(batch)
	if err != nil {
		return err
	}
	w.seg.index.add(&h, w.seg.base, w.seg.size, w.p.cfg.IndexInterval)
	w.seg.size += int64(h.Size())
	w.seg.maxMs = w.seg.index.maxMs
	if e, found := w.aborted[was.BaseOffset]; found && was.Control() {
		w.seg.index.aborted = append(w.seg.index.aborted, e)
		w.seg.aborted++
	}
	if !w.changed {
		return nil
	}
	w.buf = append(w.buf, batch...)
	if len(w.buf) < cleanBuffer {
		return nil
	}
	return w.flush()
}

// copyPrefix copies what was found unchanged so far.
func (w *cleanWriter) copyPrefix(size int64) error {
	f, err := w.p.l.disk.o.FS.Open(w.from.path + logSuffix)
	if err != nil {
		return err
	}
	defer f.Close()
	for at := int64(0); at < size; {
		n := int(min(cleanBuffer, size-at))
		if cap(w.buf) < n {
			w.buf = make([]byte, 0, cleanBuffer)
		}
		w.buf = w.buf[:n]
		if got, err := f.ReadAt(w.buf, at); got < n {
			return err
		}
		at += int64(n)
		if err := w.p.limit.spend(w.p.ctx, n); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (w *cleanWriter) flush() error {
	n := len(w.buf)
	if _, err := w.file.Write(w.buf); err != nil {
		return onDisk("write compacted segment", err)
	}
	w.buf = w.buf[:0]
	w.p.stats.WrittenBytes += int64(n)
	if w.dirty += n; w.dirty >= cleanSync {
		if err := w.sync(); err != nil {
			return err
		}
	}
	return w.p.limit.spend(w.p.ctx, n)
}

func (w *cleanWriter) sync() error {
	w.dirty = 0
	if err := syncFile(w.file); err != nil {
		return &diskError{errors.New(err.Error())} // not %w: a full disk is no excuse for a sync
	}
	return nil
}

// finish makes the new segment durable and puts it in the place of the group.
func (w *cleanWriter) finish() error {
	err := w.flush()
	if err == nil {
		err = w.sync()
	}
	if cerr := w.file.Close(); err == nil {
		err = onDisk("write compacted segment", cerr)
	}
	w.file = nil
	if err == nil {
		err = w.p.l.swap(w.group, w.seg)
	}
	if err != nil {
		return errors.Join(err, w.discard())
	}
	for _, s := range w.group {
		w.p.stats.BeforeBytes += s.size
	}
	w.p.stats.AfterBytes += w.seg.size
	return nil
}

// discard removes what was written, if it still has that name.
func (w *cleanWriter) discard() error {
	if w.file != nil {
		_ = w.file.Close() // it goes
		w.file = nil
	}
	if !w.changed {
		return nil
	}
	if err := w.p.l.disk.o.FS.Remove(w.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return onDisk("remove compacted segment", err)
	}
	return nil
}
