package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sample is what one run took.
type sample struct {
	cpu    time.Duration
	wall   time.Duration
	allocs uint64
}

// measure runs do and reads the process's own account of it. Garbage of earlier
// runs is collected first; what do itself leaves is its own.
func measure(do func() error) (sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	err := do()
	s := sample{cpu: cpuTime() - cpu, wall: time.Since(began)}
	runtime.ReadMemStats(&after)
	s.allocs = after.Mallocs - before.Mallocs
	return s, err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// side is one way to do a scenario's work.
type side struct {
	name   string
	events int
	run    func(try int) error
}

// compare runs the sides in turn, pairs times, after one round that is not
// counted. The last side is the base of the ratios; with one side there are none.
func compare(scenario string, pairs int, sides ...side) ([]result, error) {
	lines := make([]result, len(sides))
	for i, s := range sides {
		lines[i] = result{Scenario: scenario, Side: s.name, Events: s.events}
	}
	for try := range pairs + 1 {
		for i, s := range sides {
			got, err := measure(func() error { return s.run(try) })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if try == 0 {
				continue
			}
			n := float64(s.events)
			lines[i].NsPerEv = append(lines[i].NsPerEv, float64(got.cpu)/n)
			lines[i].WallNs = append(lines[i].WallNs, float64(got.wall)/n)
			lines[i].Allocs = append(lines[i].Allocs, float64(got.allocs)/n)
		}
	}
	base := lines[len(lines)-1]
	for i := range lines[:len(lines)-1] {
		lines[i].Base = base.Side
		for try, ns := range lines[i].NsPerEv {
			lines[i].Ratio = append(lines[i].Ratio, base.NsPerEv[try]/ns)
		}
	}
	return lines, nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func printReport(w *os.File, r report) {
	fmt.Fprintf(w, "\n%s, %d processors, %s, sync %s, load %s\n\n", r.CPU, r.CPUs, r.Go, r.Sync, r.Load)
	fmt.Fprintf(w, "%-24s %-22s %10s %8s %16s %9s %10s\n", "scenario", "side", "M ev/s/core", "ns/ev", "[min..max]", "allocs/ev", "ratio")
	for _, l := range r.Results {
		ns := median(l.NsPerEv)
		ratio := ""
		if len(l.Ratio) > 0 {
			ratio = fmt.Sprintf("%.2fx %s", median(l.Ratio), l.Base)
		}
		fmt.Fprintf(w, "%-24s %-22s %10.3f %8.0f %16s %9.3f %s\n", l.Scenario, l.Side, 1e3/ns, ns,
			fmt.Sprintf("[%.0f..%.0f]", slices.Min(l.NsPerEv), slices.Max(l.NsPerEv)), median(l.Allocs), ratio)
	}
	fmt.Fprintln(w)
}

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

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
