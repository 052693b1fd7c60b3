//go:build !linux

package main

import "os"

// syncContents is fsync: the system has nothing less.
func syncContents(f *os.File) error { return f.Sync() }
