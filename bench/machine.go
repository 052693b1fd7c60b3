package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// cpuModel is the processor's name as the system gives it.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return runtime.GOARCH
}

// loadAverage is how many threads wanted to run over the last 1, 5 and 15 minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// stealClock is the machine's processor time, in ticks: all of it, and what the
// host gave to others.
type stealClock struct{ total, stolen float64 }

// readSteal reads the clock; where the system has none, it stands still.
func readSteal() (c stealClock) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c
	}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(first) {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil || i > 8 { // guest time, after the eighth, is part of user time
			continue
		}
		c.total += n
		if i == 8 {
			c.stolen = n
		}
	}
	return c
}

// share is the stolen part since an earlier reading.
func (c stealClock) share(since stealClock) float64 {
	if c.total <= since.total {
		return 0
	}
	return (c.stolen - since.stolen) / (c.total - since.total)
}
