package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// TempSuffix ends the name of a file that WriteFile has not finished. After a
// crash such a file may be left behind; it is garbage.
const TempSuffix = ".tmp"

// MkdirAll makes dir and its parents durably. FS.MkdirAll alone leaves directories
// that a crash forgets.
//
// A directory that is there already may have been made by a process that was
// killed before it could sync the parent. So the parent is synced in any case, and
// on the way down that of the first directory that is there.
func MkdirAll(fsys FS, dir string) error {
	parent := filepath.Dir(dir)
	_, err := fsys.Stat(dir)
	if err == nil {
		if err := fsys.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err // where we may not look, we did not make anything either
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent != dir {
		if err := MkdirAll(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}

// WriteFile replaces a file as a whole and durably: after a crash name holds
// either its old or its new contents, and once WriteFile has returned nil, the new.
func WriteFile(fsys FS, name string, data []byte) error {
	if err := ReplaceFile(fsys, name, data); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// ReplaceFile is WriteFile without the last step: the caller syncs the directory,
// and until then a crash may bring the old contents back.
func ReplaceFile(fsys FS, name string, data []byte) (err error) {
	tmp := name + TempSuffix
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.SyncData()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		_ = fsys.Remove(tmp) // best effort: a leftover is garbage by its suffix
	}
	return err
}

// ReadFile is the whole contents of a file. A file above limit bytes is an error
// and nothing of it is read.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes, the limit is %d", name, size, limit)
	}
	buf := make([]byte, size)
	n, err := f.ReadAt(buf, 0)
	if n == len(buf) {
		err = nil
	} else if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return buf[:n], err
}
