package sim

import (
	"flag"
	"strings"
	"testing"
	"testing/cryptotest"
)

var oneSeed = flag.Uint64("seed", 0, "run the simulation of this seed only")

// Run plays a world once for each seed from 1 to seeds, or for the one that the
// flag -seed names. A failure names the seed, and what happened last.
func Run(t *testing.T, seeds int, o Options, world func(*Sim)) {
	t.Helper()
	first, last := uint64(1), uint64(seeds)
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		if s, err := play(t, seed, o, world); err != nil {
			t.Fatalf("seed %d: %v\nagain with: go test -run '^%s$' -seed %d\n%s", seed, err, t.Name(), seed, strings.Join(s.lines, "\n"))
		}
	}
	t.Logf("seeds %d to %d", first, last)
}

// Repeatable plays one seed twice and fails unless both traces are the same.
func Repeatable(t *testing.T, seed uint64, o Options, world func(*Sim)) {
	t.Helper()
	a, errA := play(t, seed, o, world)
	b, errB := play(t, seed, o, world)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if a.Trace() != b.Trace() {
		t.Fatalf("seed %d gave two histories: something draws chance or time from elsewhere, or walks a map", seed)
	}
}

// play runs one seed. Raft draws its election timeouts from crypto/rand, so that is
// seeded as well.
func play(t *testing.T, seed uint64, o Options, world func(*Sim)) (*Sim, error) {
	cryptotest.SetGlobalRandom(t, seed)
	s := New(seed, o)
	world(s)
	return s, s.Play()
}
