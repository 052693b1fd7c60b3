package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// epoch is one transaction's worth of work. Everyone who took part waits on
// decided before anything of the next epoch may touch state or the transaction.
type epoch struct {
	number  uint64
	decided chan struct{} // closed once the outcome is known and is commit
}

func newEpoch(number uint64) *epoch {
	return &epoch{number: number, decided: make(chan struct{})}
}

// wait returns once the epoch has committed; an abort ends ctx instead. When both
// have happened the epoch has committed: whoever would not apply it then would
// have it taken back by the abort of the next.
func (e *epoch) wait(ctx context.Context) error {
	select {
	case <-e.decided:
		return nil
	case <-ctx.Done():
	}
	if e.committed() {
		return nil
	}
	return context.Cause(ctx)
}

// committed says whether wait would return at once.
func (e *epoch) committed() bool {
	select {
	case <-e.decided:
		return true
	default:
		return false
	}
}

// splitReport is what a source's split says at a barrier: everything before
// position is in the epoch.
type splitReport struct {
	key       splitKey
	position  []byte // nil: nothing was read yet
	watermark int64
	rows      int64 // rows read in this epoch
}

// splitKey names a split of a source node.
type splitKey struct{ source, split string }

// rendezvous collects the reports of one epoch's barrier.
type rendezvous struct {
	mu      sync.Mutex
	missing int // guarded by mu
	splits  []splitReport
	changed bool // a task changed state or emitted rows
	full    chan struct{}
}

func newRendezvous(parties int) *rendezvous {
	r := &rendezvous{missing: parties, full: make(chan struct{})}
	if parties == 0 {
		close(r.full)
	}
	return r
}

func (r *rendezvous) split(s splitReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.splits = append(r.splits, s)
	r.arrived()
}

func (r *rendezvous) task(changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = r.changed || changed
	r.arrived()
}

func (r *rendezvous) arrived() {
	r.missing--
	if r.missing == 0 {
		close(r.full)
	}
}

// pulse wakes the coordinator when something happens that may close an epoch. It
// never blocks the one who has news.
type pulse struct{ c chan struct{} }

func newPulse() pulse { return pulse{make(chan struct{}, 1)} }

func (p pulse) beat() {
	select {
	case p.c <- struct{}{}:
	default:
	}
}

// commitTimes remembers how long the last commits took.
type commitTimes struct {
	last [15]time.Duration
	n    int
}

func (c *commitTimes) add(d time.Duration) {
	c.last[c.n%len(c.last)] = d
	c.n++
}

// median is 0 before the first commit.
func (c *commitTimes) median() time.Duration {
	n := min(c.n, len(c.last))
	if n == 0 {
		return 0
	}
	sorted := c.last
	slices.Sort(sorted[:n])
	return sorted[n/2]
}

// The shortest an epoch may be, and how much longer than a commit it has to be,
// so that committing takes at most a tenth of the time under load and a quiet
// pipeline still answers in milliseconds.
const (
	epochMin        = 5 * time.Millisecond
	epochMinCommits = 10
)

// counter is a count that goroutines share.
type counter struct{ n atomic.Int64 }

func (c *counter) add(n int) int64 { return c.n.Add(int64(n)) }
func (c *counter) load() int64     { return c.n.Load() }
