package coord

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTimers compares the heap with a list that is searched.
func TestTimers(t *testing.T) {
	type entry struct {
		at  time.Duration
		seq int
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var timers Timers[int]
	model := map[int]entry{}
	now := time.Duration(0)
	first := func() (key int, ok bool) {
		for k, e := range model {
			if o := model[key]; !ok || e.at < o.at || e.at == o.at && e.seq < o.seq {
				key, ok = k, true
			}
		}
		return key, ok
	}
	for i := range 10_000 {
		switch k := rng.IntN(50); rng.IntN(3) {
		case 0, 1:
			at := now + time.Duration(rng.IntN(20))
			timers.Set(k, at)
			model[k] = entry{at, i}
		case 2:
			timers.Clear(k)
			delete(model, k)
		}
		if rng.IntN(4) == 0 {
			now++
			for {
				want, any := first()
				any = any && model[want].at <= now
				got, ok := timers.Due(now)
				if ok != any || ok && got != want {
					t.Fatalf("step %d: Due gave %d, %t, want %d, %t", i, got, ok, want, any)
				}
				if !ok {
					break
				}
				delete(model, want)
			}
		}
		want := time.Duration(0)
		if k, ok := first(); ok {
			want = max(model[k].at, 1)
		}
		if got := timers.Next(); got != want {
			t.Fatalf("step %d: Next is %d, want %d", i, got, want)
		}
	}
}
