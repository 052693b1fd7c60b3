package storage

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/millrace/millrace/internal/vfs"
)

var errKilled = errors.New("the process is gone")

// process is a file system as one process uses it. After kill all its calls fail
// and its locks are free, and what it wrote is still there: kill -9.
type process struct {
	vfs.FS

	mu    sync.Mutex
	left  int // calls until it is killed, 0 never
	dead  bool
	locks []io.Closer
}

// kill returns once no call is under way.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	for _, l := range p.locks {
		_ = l.Close() // the file system frees it
	}
}

// endAfter has it killed after some calls; 0 lets it live.
func (p *process) endAfter(calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = calls
}

func (p *process) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// call makes one call, unless the process is gone.
func (p *process) call(f func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left > 0 {
		p.left--
		p.dead = p.dead || p.left == 0
	}
	if p.dead {
		return errKilled
	}
	return f()
}

func (p *process) open(open func(string) (vfs.File, error), name string) (f vfs.File, err error) {
	err = p.call(func() (err error) {
		f, err = open(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &processFile{f, p}, nil
}

func (p *process) Create(name string) (vfs.File, error)     { return p.open(p.FS.Create, name) }
func (p *process) Open(name string) (vfs.File, error)       { return p.open(p.FS.Open, name) }
func (p *process) OpenAppend(name string) (vfs.File, error) { return p.open(p.FS.OpenAppend, name) }
func (p *process) OpenWrite(name string) (vfs.File, error)  { return p.open(p.FS.OpenWrite, name) }
func (p *process) Link(oldname, newname string) error {
	return p.call(func() error { return p.FS.Link(oldname, newname) })
}
func (p *process) Remove(name string) error {
	return p.call(func() error { return p.FS.Remove(name) })
}
func (p *process) RemoveAll(name string) error {
	return p.call(func() error { return p.FS.RemoveAll(name) })
}
func (p *process) Rename(from, to string) error {
	return p.call(func() error { return p.FS.Rename(from, to) })
}
func (p *process) MkdirAll(dir string) error {
	return p.call(func() error { return p.FS.MkdirAll(dir) })
}
func (p *process) SyncDir(dir string) error {
	return p.call(func() error { return p.FS.SyncDir(dir) })
}
func (p *process) Stat(name string) (info fs.FileInfo, err error) {
	err = p.call(func() (err error) {
		info, err = p.FS.Stat(name)
		return err
	})
	return info, err
}
func (p *process) Lock(name string) (l io.Closer, err error) {
	err = p.call(func() (err error) {
		if l, err = p.FS.Lock(name); err == nil {
			p.locks = append(p.locks, l)
		}
		return err
	})
	return l, err
}

type processFile struct {
	vfs.File
	p *process
}

func (f *processFile) Write(b []byte) (n int, err error) {
	err = f.p.call(func() (err error) {
		n, err = f.File.Write(b)
		return err
	})
	return n, err
}
func (f *processFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.p.call(func() (err error) {
		n, err = f.File.WriteAt(b, at)
		return err
	})
	return n, err
}
func (f *processFile) Truncate(size int64) error {
	return f.p.call(func() error { return f.File.Truncate(size) })
}
func (f *processFile) SyncData() error { return f.p.call(f.File.SyncData) }
