package meta

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	pebblefs "github.com/cockroachdb/pebble/v2/vfs"
)

// readOnlyFS is a file system to look at a database through: whatever would change
// something fails. Pebble's own read-only mode promises to change nothing; this holds
// it to that, and leaves the lock to whoever has the data directory's.
type readOnlyFS struct {
	pebblefs.FS
	hidden string // names that begin so are not listed; "" hides none
}

func refuseWrite(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: the metadata log is only read", fs.ErrPermission)}
}

func (f readOnlyFS) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	if f.hidden != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, f.hidden) })
	}
	return names, err
}

func (f readOnlyFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (f readOnlyFS) Create(name string, _ pebblefs.DiskWriteCategory) (pebblefs.File, error) {
	return nil, refuseWrite("create", name)
}

func (f readOnlyFS) OpenReadWrite(name string, _ pebblefs.DiskWriteCategory, _ ...pebblefs.OpenOption) (pebblefs.File, error) {
	return nil, refuseWrite("open for writing", name)
}

func (f readOnlyFS) ReuseForWrite(name, _ string, _ pebblefs.DiskWriteCategory) (pebblefs.File, error) {
	return nil, refuseWrite("reuse", name)
}

func (f readOnlyFS) Link(name, _ string) error   { return refuseWrite("link", name) }
func (f readOnlyFS) Rename(name, _ string) error { return refuseWrite("rename", name) }
func (f readOnlyFS) Remove(name string) error    { return refuseWrite("remove", name) }
func (f readOnlyFS) RemoveAll(name string) error { return refuseWrite("remove", name) }

func (f readOnlyFS) MkdirAll(name string, _ os.FileMode) error { return refuseWrite("mkdir", name) }

func (f readOnlyFS) Unwrap() pebblefs.FS { return nil }

var _ pebblefs.FS = readOnlyFS{}
