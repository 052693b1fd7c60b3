package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Mem is a simulated disk that forgets what was not synced.
//
// The simple way is a map from name to bytes. It finds no bug, because on it a
// write is durable at once and a rename needs no directory sync. Mem therefore
// keeps two images of everything: what the running process sees, and what a
// crash is sure to leave.
//
//  1. File contents are tracked in pages of 4 KiB. A page that was written since
//     the file's last SyncData may survive a crash, or not, or in part.
//  2. A directory entry (a creation, link, removal or rename) may survive or not
//     until SyncDir of its directory. A rename survives as a whole or not at all,
//     and never without the earlier changes of the names it touches.
//  3. Contents and names are independent: a file may survive without its bytes,
//     and synced bytes are lost with an entry that was never synced.
//  4. What was synced survives every crash.
//
// CrashClone draws one such outcome. All names, relative ones too, hang below one
// root. Mem may be used concurrently; its mutex is never held while a hook runs.
type Mem struct {
	hook atomic.Pointer[func(Op, string) error]

	mu      sync.Mutex
	root    *inode              // guarded by mu, as everything below it
	pending []nameChange        // directory changes no SyncDir has made durable, oldest first
	locked  map[string]struct{} // by clean name
	limit   int64               // bytes that fit; 0 is no limit
	used    int64               // bytes of all files that have a name
}

// inode is a file or a directory, apart from its names.
type inode struct {
	isDir   bool
	names   map[string]*inode // directory: as the process sees it
	kept    map[string]*inode // directory: as a crash leaves it for sure
	content pagedFile         // file
	links   int               // names that point here, in the process's image
	mod     time.Time
}

// NewMem is an empty disk without a limit.
func NewMem() *Mem {
	return &Mem{root: newDir(), locked: map[string]struct{}{}}
}

func newDir() *inode {
	return &inode{isDir: true, names: map[string]*inode{}, kept: map[string]*inode{}, mod: time.Now()}
}

// Inject installs a hook that runs before every call, with the call's first name;
// nil removes it. What it returns is the call's result and the call does nothing
// (see PartialWrite for the exception). The hook may use the Mem, CrashClone
// included, but then sees its own calls.
func (m *Mem) Inject(hook func(op Op, name string) error) {
	if hook == nil {
		m.hook.Store(nil)
		return
	}
	m.hook.Store(&hook)
}

// Limit makes the disk hold that many bytes of file contents: a write beyond
// writes what fits and fails with ENOSPC. 0 is no limit.
func (m *Mem) Limit(sizeBytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = sizeBytes
}

// Used is the number of bytes in all files.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func (m *Mem) before(op Op, name string) error {
	if hook := m.hook.Load(); hook != nil {
		return (*hook)(op, name)
	}
	return nil
}

// clean turns any name into a rooted one without "." and "..".
func clean(name string) string { return path.Clean("/" + strings.ReplaceAll(name, `\`, "/")) }

// lookup finds an inode. Needs mu.
func (m *Mem) lookup(op, name string) (*inode, error) {
	n := m.root
	for part := range strings.SplitSeq(strings.Trim(clean(name), "/"), "/") {
		if part == "" {
			continue
		}
		if !n.isDir {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		next := n.names[part]
		if next == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

// parent finds the directory of a name and the name within it. Needs mu.
func (m *Mem) parent(op, name string) (*inode, string, error) {
	dir, base := path.Split(clean(name))
	d, err := m.lookup(op, dir)
	if err == nil && !d.isDir {
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	if err == nil && base == "" {
		err = &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return d, base, err
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	if err := m.before(OpCreate, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	n := d.names[base]
	switch {
	case n == nil:
		n = &inode{mod: time.Now()}
		m.change(nameEdit{d, base, n})
	case n.isDir:
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.EISDIR}
	default:
		m.resize(n, 0)
	}
	return &memFile{m: m, n: n, name: name, writable: true}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(OpOpen, name, false) }

// OpenAppend implements FS.
func (m *Mem) OpenAppend(name string) (File, error) { return m.open(OpOpenAppend, name, true) }

// OpenWrite implements FS.
func (m *Mem) OpenWrite(name string) (File, error) { return m.open(OpOpenWrite, name, false) }

func (m *Mem) open(op Op, name string, writable bool) (File, error) {
	if err := m.before(op, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if n.isDir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	return &memFile{m: m, n: n, name: name, writable: writable, inPlace: op == OpOpenWrite}, nil
}

// Link implements FS.
func (m *Mem) Link(oldname, newname string) error {
	if err := m.before(OpLink, oldname); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("link", oldname)
	if err != nil {
		return err
	}
	d, base, err := m.parent("link", newname)
	if err != nil {
		return err
	}
	if n.isDir || d.names[base] != nil {
		return &fs.PathError{Op: "link", Path: newname, Err: fs.ErrExist}
	}
	m.change(nameEdit{d, base, n})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	if err := m.before(OpRemove, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := d.names[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if n.isDir && len(n.names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	m.change(nameEdit{d, base, nil})
	return nil
}

// RemoveAll implements FS. A crash may leave any part of the tree.
func (m *Mem) RemoveAll(name string) error {
	if err := m.before(OpRemoveAll, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("remove", name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && d.names[base] == nil {
		return nil
	}
	if err != nil {
		return err
	}
	m.removeTree(d, base)
	return nil
}

// removeTree removes children before their directory. Needs mu.
func (m *Mem) removeTree(d *inode, base string) {
	n := d.names[base]
	if n.isDir {
		for _, child := range sortedNames(n.names) {
			m.removeTree(n, child)
		}
	}
	m.change(nameEdit{d, base, nil})
}

// Rename implements FS.
func (m *Mem) Rename(oldname, newname string) error {
	if err := m.before(OpRename, oldname); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.parent("rename", oldname)
	if err != nil {
		return err
	}
	n := from.names[oldBase]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
	}
	to, newBase, err := m.parent("rename", newname)
	if err != nil {
		return err
	}
	if old := to.names[newBase]; old == n {
		return nil
	} else if old != nil && (old.isDir || n.isDir) {
		return &fs.PathError{Op: "rename", Path: newname, Err: fs.ErrExist}
	}
	m.change(nameEdit{from, oldBase, nil}, nameEdit{to, newBase, n})
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	if err := m.before(OpMkdirAll, dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for part := range strings.SplitSeq(strings.Trim(clean(dir), "/"), "/") {
		if part == "" {
			continue
		}
		next := n.names[part]
		if next == nil {
			next = newDir()
			m.change(nameEdit{n, part, next})
		}
		if !next.isDir {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		n = next
	}
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	if err := m.before(OpList, dir); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.isDir {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: syscall.ENOTDIR}
	}
	return sortedNames(n.names), nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	if err := m.before(OpStat, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return memInfo{name: path.Base(clean(name)), isDir: n.isDir, size: n.content.size, mod: n.mod}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	if err := m.before(OpSyncDir, dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup("sync", dir)
	if err != nil {
		return err
	}
	if !n.isDir {
		return &fs.PathError{Op: "sync", Path: dir, Err: syscall.ENOTDIR}
	}
	m.keepChanges(n)
	return nil
}

// Lock implements FS. A crash releases every lock.
func (m *Mem) Lock(name string) (io.Closer, error) {
	if err := m.before(OpLock, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("lock", name)
	if err != nil {
		return nil, err
	}
	key := clean(name)
	if _, held := m.locked[key]; held {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	if d.names[base] == nil {
		m.change(nameEdit{d, base, &inode{mod: time.Now()}})
	}
	m.locked[key] = struct{}{}
	return &memLock{m: m, key: key}, nil
}

// Free implements FS.
func (m *Mem) Free(dir string) (uint64, error) {
	if err := m.before(OpFree, dir); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit == 0 {
		return math.MaxInt64, nil
	}
	return uint64(max(0, m.limit-m.used)), nil
}

type memLock struct {
	m    *Mem
	key  string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		delete(l.m.locked, l.key)
	})
	return nil
}

type memInfo struct {
	name  string
	isDir bool
	size  int64
	mod   time.Time
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return i.mod }
func (i memInfo) IsDir() bool        { return i.isDir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.isDir {
		return fs.ModeDir | dirMode
	}
	return fileMode
}

func sortedNames(names map[string]*inode) []string {
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

var _ FS = (*Mem)(nil)
