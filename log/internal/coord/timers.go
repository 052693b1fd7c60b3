package coord

import (
	"cmp"
	"container/heap"
	"time"
)

// Timers are the deadlines of a core, each under a key, at most one per key. A
// sorted scan at every step would cost a core with many members more than its
// requests; a heap costs a logarithm at each change. Equal times go off in the
// order in which they were set, so that replaying inputs replays timers. The zero
// value is ready. One goroutine at a time uses it.
type Timers[K comparable] struct {
	heap timerHeap[K]
	byID map[K]*timer[K]
	seq  uint64
}

type timer[K comparable] struct {
	at    time.Duration
	seq   uint64
	key   K
	index int
}

// Set makes key's deadline at, in the time of core.Core.Step, moving an earlier or
// later one.
func (t *Timers[K]) Set(key K, at time.Duration) {
	t.seq++
	if e := t.byID[key]; e != nil {
		e.at, e.seq = at, t.seq
		heap.Fix(&t.heap, e.index)
		return
	}
	if t.byID == nil {
		t.byID = map[K]*timer[K]{}
	}
	e := &timer[K]{at: at, seq: t.seq, key: key}
	t.byID[key] = e
	heap.Push(&t.heap, e)
}

// Clear removes key's deadline, if there is one.
func (t *Timers[K]) Clear(key K) {
	if e := t.byID[key]; e != nil {
		delete(t.byID, key)
		heap.Remove(&t.heap, e.index)
	}
}

// Has reports whether key has a deadline.
func (t *Timers[K]) Has(key K) bool { return t.byID[key] != nil }

// Due removes and gives the key whose deadline came first, if it is not after now.
func (t *Timers[K]) Due(now time.Duration) (key K, ok bool) {
	if len(t.heap) == 0 || t.heap[0].at > now {
		return key, false
	}
	e := heap.Pop(&t.heap).(*timer[K])
	delete(t.byID, e.key)
	return e.key, true
}

// Next is the earliest deadline, 0 if there is none, as core.Duties.WakeAt wants it.
func (t *Timers[K]) Next() time.Duration {
	if len(t.heap) == 0 {
		return 0
	}
	return max(t.heap[0].at, 1)
}

// timerHeap implements heap.Interface, soonest first.
type timerHeap[K comparable] []*timer[K]

func (h timerHeap[K]) Len() int { return len(h) }

func (h timerHeap[K]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].seq, h[j].seq)) < 0
}

func (h timerHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds x, a *timer[K].
func (h *timerHeap[K]) Push(x any) {
	e := x.(*timer[K])
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop removes the last entry.
func (h *timerHeap[K]) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
