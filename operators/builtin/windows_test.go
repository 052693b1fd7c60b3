package builtin

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/operators/columnar"
)

// TestFirstEnd: monotonic, the end of the first window that contains t, and safe at
// both ends of time.
func TestFirstEnd(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100_000 {
		slide := 1 + rng.Int64N(1<<uint(1+rng.IntN(50)))
		w := windows{slide: slide, size: slide * (1 + rng.Int64N(4))}
		at := int64(rng.Uint64()) >> rng.IntN(62)
		end := w.firstEnd(at)
		if w.inRange(at) && !(end > at && end-w.slide <= at && end%w.slide == 0) {
			t.Fatalf("%v: the first window of %d ends at %d", w, at, end)
		}
		if at < math.MaxInt64 && w.firstEnd(at+1) < end {
			t.Fatalf("%v: firstEnd falls after %d", w, at)
		}
	}
	for _, w := range []windows{{size: 1, slide: 1}, {size: 60e6, slide: 60e6}, {size: 7, slide: 7}} {
		if got := w.firstEnd(columnar.MaxTime); got != columnar.MaxTime {
			t.Errorf("%v: at the end of time %d", w, got)
		}
		if got := w.firstEnd(columnar.MinTime); got > columnar.MinTime+w.size {
			t.Errorf("%v: at the beginning of time %d", w, got)
		}
	}
}
