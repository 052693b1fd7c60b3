//go:build !unix

package expr

import "time"

var processStart = time.Now()

// cpuTime is the clock where the processor time is not to be had.
func cpuTime() time.Duration { return time.Since(processStart) }
