package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncContents is fdatasync, as the log does it.
func syncContents(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
