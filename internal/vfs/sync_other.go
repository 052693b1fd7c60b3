//go:build !linux

package vfs

import "os"

// syncData is the whole fsync (on Darwin os.File.Sync asks the drive to flush
// its own cache as well).
func syncData(f *os.File) error { return f.Sync() }
