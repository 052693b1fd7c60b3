package vfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
	"time"
)

// memFile is an open handle of a Mem.
type memFile struct {
	m        *Mem
	n        *inode
	name     string
	writable bool // at its end
	inPlace  bool // by WriteAt
	closed   atomic.Bool
}

func (f *memFile) before(op Op) error {
	if f.closed.Load() {
		return &fs.PathError{Op: op.String(), Path: f.name, Err: fs.ErrClosed}
	}
	return f.m.before(op, f.name)
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.before(OpReadAt); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n := f.n.content.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	var partial *PartialWrite
	err := f.before(OpWrite)
	switch {
	case errors.As(err, &partial):
		p, err = p[:min(partial.N, len(p))], &fs.PathError{Op: "write", Path: f.name, Err: partial.Err}
	case err != nil:
		return 0, err
	case !f.writable:
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EBADF}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if room := f.m.limit - f.m.used; f.m.limit > 0 && f.n.links > 0 && int64(len(p)) > room {
		p, err = p[:max(0, room)], &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	f.n.content.append(p)
	f.n.mod = time.Now()
	if f.n.links > 0 {
		f.m.used += int64(len(p))
	}
	return len(p), err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	var partial *PartialWrite
	err := f.before(OpWriteAt)
	switch {
	case errors.As(err, &partial):
		p, err = p[:min(partial.N, len(p))], &fs.PathError{Op: "write", Path: f.name, Err: partial.Err}
	case err != nil:
		return 0, err
	case !f.inPlace || off < 0:
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrInvalid}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	largest := f.n.content.size + max(0, f.m.limit-f.m.used) // that the file can become
	if f.m.limit > 0 && f.n.links > 0 && off+int64(len(p)) > largest {
		p, err = p[:max(0, largest-off)], &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	if end := off + int64(len(p)); end > f.n.content.size {
		f.m.resize(f.n, end)
	}
	f.n.content.overwrite(p, off)
	f.n.mod = time.Now()
	return len(p), err
}

func (f *memFile) Truncate(size int64) error {
	if err := f.before(OpTruncate); err != nil {
		return err
	}
	if size < 0 || !f.writable {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.resize(f.n, size)
	return nil
}

func (f *memFile) SyncData() error {
	if err := f.before(OpSyncData); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.n.content.sync()
	return nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.before(OpSize); err != nil {
		return 0, err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.n.content.size, nil
}

func (f *memFile) Close() error {
	if err := f.before(OpClose); err != nil {
		return err
	}
	f.closed.Store(true)
	return nil
}

// resize needs mu.
func (m *Mem) resize(n *inode, size int64) {
	if n.links > 0 {
		m.used += size - n.content.size
	}
	n.content.truncate(size)
	n.mod = time.Now()
}

var _ File = (*memFile)(nil)
