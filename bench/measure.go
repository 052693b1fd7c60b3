package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

// side is one way to do a scenario's work.
type side struct {
	name   string
	events int
	// run does it once. Outside of the measurement prepare comes before and check,
	// which looks at what it did, after it; both may be nil.
	prepare func() error
	run     func() error
	check   func() error
	// profile says that -cpuprofile is about this side.
	profile bool
	// cost is what whose cost it is has used so far; nil if that is this process.
	cost func() (cpu time.Duration, allocs uint64, err error)
}

// compare runs the sides in turn, pairs times, after one round that is not
// counted. The last side is the base of the ratios; with one side there are none.
func (b *bed) compare(sides ...side) error {
	lines := make([]*result, len(sides))
	for i, s := range sides {
		lines[i] = &result{Scenario: b.scenario, Side: s.name, Events: s.events}
	}
	for try := range b.pairs + 1 {
		for i, s := range sides {
			got, err := b.sample(s, try)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if try > 0 {
				lines[i].add(got)
			}
		}
	}
	base := lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		l.Base = base.Side
		for try, ns := range l.NsPerEv {
			l.Ratio = append(l.Ratio, base.NsPerEv[try]/ns)
		}
	}
	b.report.Results = append(b.report.Results, lines...)
	return nil
}

func (r *result) add(s sample) {
	n := float64(r.Events)
	r.NsPerEv = append(r.NsPerEv, float64(s.cpu)/n)
	r.WallNs = append(r.WallNs, float64(s.wall)/n)
	r.Allocs = append(r.Allocs, float64(s.allocs)/n)
}

// sample runs a side once.
func (b *bed) sample(s side, try int) (got sample, err error) {
	run := s.run
	if b.cpuProfile != "" && s.profile && s.cost == nil && try > 0 {
		run = func() error { return profiled(fmt.Sprintf("%s.%s.%d", b.cpuProfile, b.scenario, try), s.run) }
	}
	if s.prepare != nil {
		if err := s.prepare(); err != nil {
			return got, err
		}
	}
	if s.cost != nil {
		got, err = s.measureElsewhere()
	} else {
		got, err = measure(run)
	}
	if err != nil || s.check == nil {
		return got, err
	}
	return got, s.check()
}

// profiled runs do with a processor profile of it in a file.
func profiled(file string, do func() error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// sample is what one run took.
type sample struct {
	cpu    time.Duration
	wall   time.Duration
	allocs uint64
}

// measure runs do and reads the process's own account of it. Garbage of earlier
// runs is collected first; collecting its own is part of what do costs.
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

// measureElsewhere is measure where the cost is another process's.
func (s side) measureElsewhere() (sample, error) {
	cpu, allocs, err := s.cost()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	if err := s.run(); err != nil {
		return sample{}, err
	}
	wall := time.Since(began)
	cpuAfter, allocsAfter, err := s.cost()
	return sample{cpu: cpuAfter - cpu, wall: wall, allocs: allocsAfter - allocs}, err
}

// cpuTime is what the process has used so far, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the system does not know its own processes
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
