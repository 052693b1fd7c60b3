package replica

import (
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestTenThousandWatches waits ten thousand times, stops half of them, and wakes
// the rest once each.
func TestTenThousandWatches(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	var woken atomic.Int64
	var stopped []*Watch
	for i := range 10_000 {
		w := p.Watch(0, Isolation(i%2), func() { woken.Add(1) })
		if i%4 < 2 {
			stopped = append(stopped, w)
		}
	}
	for _, w := range stopped {
		w.Stop()
		w.Stop()
	}
	far := p.Watch(1, ReadUncommitted, func() { woken.Add(1_000_000) })
	mustAppend(t, p, batch("x"))
	if got := woken.Load(); got != 5_000 {
		t.Errorf("%d calls after the first append", got)
	}
	mustAppend(t, p, batch("y"))
	if got := woken.Load(); got != 1_005_000 {
		t.Errorf("%d calls after the second append", got)
	}
	far.Stop()
	now := p.Watch(1, ReadUncommitted, func() { woken.Store(-1) })
	now.Stop()
	if woken.Load() != -1 {
		t.Error("a watch below the end does not call at once")
	}
}
