package vfs

import "os"

// syncDir has nothing to do: NTFS journals its directories and offers no call
// that flushes one. What is missing is still an error.
func syncDir(dir string) error {
	_, err := os.Stat(dir)
	return err
}
