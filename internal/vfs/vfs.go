// Package vfs is the file system under everything that Millrace keeps. All disk
// access of the log and the state store goes through it, so that tests crash
// between any two calls and one simulated disk sees every write.
//
// OS is the operating system's; NewMem makes a simulated one that forgets what
// was not synced; Pebble lends either to Pebble. The package knows no format and
// keeps no cache.
//
//	fsys := vfs.OS()
//	if err := vfs.MkdirAll(fsys, dir); err != nil { … }     // durable
//	if err := vfs.WriteFile(fsys, name, data); err != nil { … } // atomic and durable
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
	// OpenWrite opens an existing file for reading and for WriteAt; its Write must
	// not be used. A file that was filled once can so be used again and again
	// without its size or the place of its blocks changing, and then SyncData need
	// write nothing but contents.
	OpenWrite(name string) (File, error)
	// Link gives an existing file a second name. An existing newname is fs.ErrExist.
	Link(oldname, newname string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes a tree; what is not there is no error.
	RemoveAll(name string) error
	// Rename replaces an existing target.
	Rename(oldname, newname string) error
	// MkdirAll makes a directory and its parents. The function MkdirAll of this
	// package also makes them durable.
	MkdirAll(dir string) error
	// List is the names in a directory, sorted.
	List(dir string) ([]string, error)
	// Stat follows links.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes creations, removals and renames in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock for this process, or fails with ErrLocked. It
	// makes the file if it is missing. A second Lock from the same process fails too.
	Lock(name string) (io.Closer, error)
	// Free is the number of bytes that can still be written below dir.
	Free(dir string) (uint64, error)
}

// File is an open file. ReadAt may run concurrently with everything; the other
// calls come from one goroutine at a time, but for SyncData, which may run beside
// Write and WriteAt and covers at least what was written before it was called.
type File interface {
	io.ReaderAt
	io.Closer
	// Write appends at the end. It neither changes nor keeps the slice.
	io.Writer
	// WriteAt overwrites what is there, in a file from OpenWrite only. It neither
	// changes nor keeps the slice.
	io.WriterAt
	// Truncate cuts the file to size; writing goes on there.
	Truncate(size int64) error
	// SyncData is fdatasync: contents and size are durable after it. After an
	// error nothing is known about any byte since the last success, and a second
	// call that succeeds means nothing.
	SyncData() error
	// Size is the length in bytes.
	Size() (int64, error)
	// Name is the path that the file was opened with.
	Name() string
}
