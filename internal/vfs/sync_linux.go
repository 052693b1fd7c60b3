package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData spares the inode's times, which fsync would write as well.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = unix.Fdatasync(int(fd)); !errors.Is(syncErr, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return syncErr
}
