package vfs

import "errors"

// Sized is a file system that knows how large the volumes below it are. The one of
// the operating system does; one in memory has no size but what is free.
type Sized interface {
	// Total is the number of bytes of the volume that holds dir.
	Total(dir string) (uint64, error)
}

// Total is the number of bytes of the volume that holds dir, or
// errors.ErrUnsupported if the file system does not know.
func Total(fs FS, dir string) (uint64, error) {
	if s, ok := fs.(Sized); ok {
		return s.Total(dir)
	}
	return 0, errors.ErrUnsupported
}

// Total implements Sized.
func (osFS) Total(dir string) (uint64, error) { return totalBytes(dir) }
