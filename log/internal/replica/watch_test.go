package replica

import (
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestTenThousandWatches waits ten thousand times, stops half of them, and wakes
// the rest once each. Who calls back is whoever empties the partition's outbox at
// that moment, which may be another goroutine than the one that asked: so this waits
// for each call. (It once looked without waiting, and the race detector's run was
// slow enough to see none.)
func TestTenThousandWatches(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	const far, now = 10_000, 10_001
	woken := make(chan int, 20_000)
	watch := func(id int, offset int64, iso Isolation) *Watch {
		return p.Watch(offset, iso, func() { woken <- id })
	}
	waits := map[int]bool{}
	var stopped []*Watch
	for i := range far {
		if w := watch(i, 0, Isolation(i%2)); i%4 < 2 {
			stopped = append(stopped, w)
		} else {
			waits[i] = true
		}
	}
	for _, w := range stopped {
		w.Stop()
		w.Stop()
	}
	last := watch(far, 1, ReadUncommitted)
	mustAppend(t, p, batch("x"))
	for len(waits) > 0 {
		id := <-woken
		if !waits[id] {
			t.Fatalf("watch %d was called twice, or after it was stopped, or too early", id)
		}
		delete(waits, id)
	}
	mustAppend(t, p, batch("y"))
	if id := <-woken; id != far {
		t.Errorf("the second append called %d, not the one that waited for it", id)
	}
	last.Stop()
	w := watch(now, 1, ReadUncommitted)
	if id := <-woken; id != now {
		t.Errorf("a watch below the end called %d", id)
	}
	w.Stop()
	if n := len(woken); n > 0 {
		t.Errorf("%d calls too many", n)
	}
}
