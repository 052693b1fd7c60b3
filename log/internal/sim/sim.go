// Package sim is the simulator: the other driver of the log's pure cores. One seed
// is one exact history of nodes that crash and start again, disks that lose what
// was not synced, and a network that drops, repeats, delays and splits.
//
//	sim.Run(t, 200, func(s *sim.Sim) {
//		node := s.Node(1, func(n *sim.Node) { // called at every start of the node
//			proc := n.Run(core, host)
//			n.Every(time.Second, func() { proc.Call(request, answer) })
//		})
//		s.Check("nothing acknowledged is lost", func() error { ... }) // after every event
//		s.Goal("everything is read", func() bool { ... })             // once faults end
//	})
//
// Every run has two phases. In the safety phase everything that can fail does, and
// only the checks must hold. Then all is healed, and in the liveness phase every
// goal must come true: a system that stands still is safe too.
//
// Nothing here runs in parallel and nothing waits: time is a number, and an event
// that takes an hour costs what its code costs.
package sim

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Phase is what the run is about.
type Phase int

// The phases of a run.
const (
	Safety Phase = iota
	Liveness
)

// Options are the shape of a run. Zero fields have the defaults given.
type Options struct {
	// Safety and Liveness are how long the phases last; 20 s and 20 s.
	Safety, Liveness time.Duration
	// Drop and Duplicate are the chances of a message; 0.05 and 0.05. Negative is
	// never.
	Drop, Duplicate float64
	// MaxDelay is the longest that a message takes; 50 ms.
	MaxDelay time.Duration
	// FaultEvery is the mean time between crashes and partitions; 2 s.
	FaultEvery time.Duration
}

func (o *Options) setDefaults() {
	setDefault(&o.Safety, 15*time.Second)
	setDefault(&o.Liveness, 10*time.Second)
	setDefault(&o.Drop, 0.05)
	setDefault(&o.Duplicate, 0.05)
	setDefault(&o.MaxDelay, 50*time.Millisecond)
	setDefault(&o.FaultEvery, 2*time.Second)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Sim is one run. It is used by one goroutine, from the world's functions that it
// calls.
type Sim struct {
	// Rand is the only source of chance. Worlds may draw from it.
	Rand *rand.Rand

	opts   Options
	now    time.Duration
	queue  eventQueue
	seq    uint64
	phase  Phase
	nodes  []*Node
	cut    map[link]bool
	checks []check
	goals  []goal
	trace  uint64
	lines  []string // the newest lines of the trace, for a failure's report
	failed error
}

type check struct {
	name string
	ok   func() error
}

type goal struct {
	name string
	met  func() bool
}

// New prepares a run of a seed. Use Run where there is a testing.T.
func New(seed uint64, o Options) *Sim {
	o.setDefaults()
	return &Sim{Rand: rand.New(rand.NewPCG(seed, 0x6d696c6c72616365)), opts: o, cut: map[link]bool{}}
}

// Now is the time of the simulation.
func (s *Sim) Now() time.Duration { return s.now }

// Left is how long the run still lasts. Clients that stop some time before the end
// let the goals look at a world that has come to rest.
func (s *Sim) Left() time.Duration { return s.opts.Safety + s.opts.Liveness - s.now }

// Phase is what the run is about now.
func (s *Sim) Phase() Phase { return s.phase }

// After calls f when d has passed. Events of equal time happen in the order in
// which they were made.
func (s *Sim) After(d time.Duration, f func()) {
	s.seq++
	heap.Push(&s.queue, event{s.now + d, s.seq, f})
}

// Between draws a duration from [lo, hi].
func (s *Sim) Between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(s.Rand.Int64N(int64(hi-lo)+1))
}

// Chance draws true with probability p.
func (s *Sim) Chance(p float64) bool { return s.Rand.Float64() < p }

// Check names an invariant: ok is called after every event and gives nil as long as
// it holds. It should cost little.
func (s *Sim) Check(name string, ok func() error) { s.checks = append(s.checks, check{name, ok}) }

// Goal names something that must have become true at the end of the liveness phase.
func (s *Sim) Goal(name string, met func() bool) { s.goals = append(s.goals, goal{name, met}) }

// Fail ends the run: an invariant that the world itself watches is broken.
func (s *Sim) Fail(format string, args ...any) {
	if s.failed == nil {
		s.failed = fmt.Errorf(format, args...)
	}
}

// keptLines is how much of a trace a failure shows.
const keptLines = 60

// Logf adds a line to the trace. The traces of two runs of one seed are equal; that
// of a failed run ends with what happened last.
func (s *Sim) Logf(format string, args ...any) {
	line := fmt.Sprintf("%12s  ", s.now) + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	fmt.Fprintf(h, "%016x%s", s.trace, line)
	s.trace = h.Sum64()
	if len(s.lines) == keptLines {
		s.lines = s.lines[1:]
	}
	s.lines = append(s.lines, line)
}

// Trace is a fingerprint of all lines so far.
func (s *Sim) Trace() uint64 { return s.trace }

// Play runs both phases and returns what went wrong.
func (s *Sim) Play() error {
	for _, n := range s.nodes {
		n.boot()
	}
	s.scheduleFault()
	if err := s.playUntil(s.opts.Safety); err != nil {
		return err
	}
	s.heal()
	if err := s.playUntil(s.opts.Safety + s.opts.Liveness); err != nil {
		return err
	}
	for _, g := range s.goals {
		if !g.met() {
			return fmt.Errorf("no progress: %s, %s after the last fault", g.name, s.opts.Liveness)
		}
	}
	return nil
}

func (s *Sim) playUntil(end time.Duration) error {
	for len(s.queue) > 0 && s.queue[0].at <= end {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
		for _, c := range s.checks {
			if err := c.ok(); err != nil {
				s.Fail("%s: %w", c.name, err)
			}
		}
		if s.failed != nil {
			return fmt.Errorf("at %s: %w", s.now, s.failed)
		}
	}
	s.now = end
	return nil
}

// event is something that happens at a time.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

// eventQueue implements heap.Interface, soonest first.
type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds x, an event.
func (q *eventQueue) Push(x any) { *q = append(*q, x.(event)) }

// Pop removes the last event.
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
