//go:build unix && !solaris && !aix

package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile uses flock, which belongs to the open file: a second open of the same
// process is refused too, and closing an unrelated descriptor releases nothing,
// unlike fcntl's locks.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
