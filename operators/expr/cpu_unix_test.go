//go:build unix

package expr

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used, which other processes
// on the machine disturb less than they do the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
