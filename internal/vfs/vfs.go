// Package vfs is the file system under everything that Millrace keeps. All disk
// access of the log and the state store goes through it, so that tests crash
// between any two calls and one simulated disk sees every write.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked is wrapped by FS.Lock when another process holds the lock.
var ErrLocked = errors.New("held by another process")

// FS is a file system. Names are slash-separated paths as the caller built them.
// Errors wrap fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC as the operating
// system's do. It may be used concurrently.
type FS interface {
	// Create makes or truncates a file for reading and appending.
	Create(name string) (File, error)
	// Open opens an existing file for reading only.
	Open(name string) (File, error)
	// OpenAppend opens an existing file for reading and appending at its end.
	OpenAppend(name string) (File, error)
	Remove(name string) error
	// RemoveAll removes a tree; what is not there is no error.
	RemoveAll(name string) error
	// Rename replaces an existing target.
	Rename(oldname, newname string) error
	MkdirAll(dir string) error
	// List is the names in a directory, sorted.
	List(dir string) ([]string, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes creations, removals and renames in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock for this process, or fails with ErrLocked.
	Lock(name string) (io.Closer, error)
	// Free is the number of bytes that can still be written below dir.
	Free(dir string) (uint64, error)
}

// File is an open file. ReadAt may run concurrently with everything; the other
// calls come from one goroutine at a time, but for SyncData, which may run
// beside Write and covers at least what was written before it was called.
type File interface {
	io.ReaderAt
	io.Closer
	// Write appends at the end.
	io.Writer
	// Truncate cuts the file to size; writing goes on there.
	Truncate(size int64) error
	// SyncData is fdatasync: contents and size are durable after it.
	SyncData() error
	Size() (int64, error)
	Name() string
}
