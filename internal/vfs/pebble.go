package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	pebble "github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble lends a file system to Pebble. For OS it is Pebble's own, which knows
// how to preallocate and prefetch; for any other FS an adapter, so that a
// simulated disk sees Pebble's every write.
//
// The adapter does not write at offsets (Pebble does that only in its cache of
// remote objects, which Millrace does not use) and does not recycle files.
//
// Pebble counts on what journaling file systems keep beyond POSIX: a new file that
// was synced has its name, and names change durably in the order in which they were
// changed (its markers are made before the old ones are removed, with one sync of
// the directory after both). The adapter keeps it on any FS: it syncs the directory
// with the first sync of a new file, and before it removes or renames one.
func Pebble(fsys FS) pebble.FS {
	if _, ok := fsys.(osFS); ok {
		return pebble.Default
	}
	return pebbleFS{fsys}
}

type pebbleFS struct{ fsys FS }

// Create removes an existing file first: Pebble wants a new inode, so that other
// links to the old one keep their contents.
func (p pebbleFS) Create(name string, _ pebble.DiskWriteCategory) (pebble.File, error) {
	if err := p.fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := p.fsys.Create(name)
	if err != nil {
		return nil, err
	}
	return &pebbleFile{File: f, fsys: p.fsys, fresh: true}, nil
}

func (p pebbleFS) Link(oldname, newname string) error { return p.fsys.Link(oldname, newname) }

func (p pebbleFS) Open(name string, opts ...pebble.OpenOption) (pebble.File, error) {
	f, err := p.wrap(p.fsys.Open(name))
	if err != nil {
		return nil, err
	}
	for _, opt := range opts {
		opt.Apply(f)
	}
	return f, nil
}

func (p pebbleFS) OpenReadWrite(
	name string, _ pebble.DiskWriteCategory, opts ...pebble.OpenOption,
) (pebble.File, error) {
	file, err := p.fsys.OpenAppend(name)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = p.fsys.Create(name)
	}
	f, err := p.wrap(file, err)
	if err != nil {
		return nil, err
	}
	for _, opt := range opts {
		opt.Apply(f)
	}
	return f, nil
}

func (p pebbleFS) OpenDir(name string) (pebble.File, error) {
	if _, err := p.fsys.Stat(name); err != nil {
		return nil, err
	}
	return &pebbleDir{fsys: p.fsys, name: name}, nil
}

func (p pebbleFS) Remove(name string) error {
	if err := p.fsys.SyncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return p.fsys.Remove(name)
}

func (p pebbleFS) RemoveAll(name string) error { return p.fsys.RemoveAll(name) }

func (p pebbleFS) Rename(oldname, newname string) error {
	if err := p.fsys.SyncDir(filepath.Dir(oldname)); err != nil {
		return err
	}
	return p.fsys.Rename(oldname, newname)
}

// ReuseForWrite makes a new file instead, which Pebble's contract allows.
func (p pebbleFS) ReuseForWrite(
	oldname, newname string, category pebble.DiskWriteCategory,
) (pebble.File, error) {
	if err := p.fsys.Remove(oldname); err != nil {
		return nil, err
	}
	return p.Create(newname, category)
}

func (p pebbleFS) MkdirAll(dir string, _ os.FileMode) error { return p.fsys.MkdirAll(dir) }

func (p pebbleFS) Lock(name string) (io.Closer, error) { return p.fsys.Lock(name) }

func (p pebbleFS) List(dir string) ([]string, error) { return p.fsys.List(dir) }

func (p pebbleFS) Stat(name string) (pebble.FileInfo, error) {
	info, err := p.fsys.Stat(name)
	if err != nil {
		return nil, err
	}
	return pebbleInfo{info}, nil
}

func (p pebbleFS) PathBase(name string) string { return filepath.Base(name) }

func (p pebbleFS) PathJoin(elem ...string) string { return filepath.Join(elem...) }

func (p pebbleFS) PathDir(name string) string { return filepath.Dir(name) }

func (p pebbleFS) GetDiskUsage(name string) (pebble.DiskUsage, error) {
	free, err := p.fsys.Free(name)
	return pebble.DiskUsage{AvailBytes: free, TotalBytes: free}, err
}

func (p pebbleFS) Unwrap() pebble.FS { return nil }

func (p pebbleFS) wrap(f File, err error) (pebble.File, error) {
	if err != nil {
		return nil, err
	}
	return &pebbleFile{File: f, fsys: p.fsys}, nil
}

// pebbleFile adds a read position and the hints, which it ignores.
type pebbleFile struct {
	File
	fsys  FS
	pos   int64
	fresh bool // made by this handle and not yet synced
}

func (f *pebbleFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *pebbleFile) WriteAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "write at", Path: f.Name(), Err: errors.ErrUnsupported}
}

func (f *pebbleFile) Stat() (pebble.FileInfo, error) { return pebbleFS{f.fsys}.Stat(f.Name()) }

func (f *pebbleFile) Sync() error { return f.SyncData() }

// SyncData also makes the name of a new file durable.
func (f *pebbleFile) SyncData() error {
	if err := f.File.SyncData(); err != nil || !f.fresh {
		return err
	}
	f.fresh = false
	return f.fsys.SyncDir(filepath.Dir(f.Name()))
}

func (f *pebbleFile) SyncTo(int64) (fullSync bool, err error) {
	err = f.SyncData()
	return err == nil, err
}

func (f *pebbleFile) Preallocate(int64, int64) error { return nil }

func (f *pebbleFile) Prefetch(int64, int64) error { return nil }

func (f *pebbleFile) Fd() uintptr { return pebble.InvalidFd }

// pebbleDir is an open directory: all that Pebble does with one is to sync it.
type pebbleDir struct {
	fsys FS
	name string
}

func (d *pebbleDir) unsupported(op string) error {
	return &fs.PathError{Op: op, Path: d.name, Err: errors.ErrUnsupported}
}

func (d *pebbleDir) Close() error                          { return nil }
func (d *pebbleDir) Read([]byte) (int, error)              { return 0, d.unsupported("read") }
func (d *pebbleDir) ReadAt([]byte, int64) (int, error)     { return 0, d.unsupported("read") }
func (d *pebbleDir) Write([]byte) (int, error)             { return 0, d.unsupported("write") }
func (d *pebbleDir) WriteAt([]byte, int64) (int, error)    { return 0, d.unsupported("write") }
func (d *pebbleDir) Preallocate(int64, int64) error        { return nil }
func (d *pebbleDir) Prefetch(int64, int64) error           { return nil }
func (d *pebbleDir) Stat() (pebble.FileInfo, error)        { return pebbleFS{d.fsys}.Stat(d.name) }
func (d *pebbleDir) Sync() error                           { return d.fsys.SyncDir(d.name) }
func (d *pebbleDir) SyncData() error                       { return d.Sync() }
func (d *pebbleDir) SyncTo(int64) (fullSync bool, e error) { return false, nil }
func (d *pebbleDir) Fd() uintptr                           { return pebble.InvalidFd }

// pebbleInfo has no device: a simulated disk is one.
type pebbleInfo struct{ fs.FileInfo }

func (pebbleInfo) DeviceID() pebble.DeviceID { return pebble.DeviceID{} }

var (
	_ pebble.FS   = pebbleFS{}
	_ pebble.File = (*pebbleFile)(nil)
	_ pebble.File = (*pebbleDir)(nil)
)
