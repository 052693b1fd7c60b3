//go:build !windows && (!unix || solaris || aix)

package vfs

import (
	"errors"
	"os"
)

// lockFile refuses: two processes on one directory would destroy it, and this
// system offers no lock that dies with its holder.
func lockFile(*os.File) error { return errors.ErrUnsupported }
