package core

import (
	"container/heap"
	"sync"
	"time"
)

// envelope is an input on its way to a core.
type envelope struct {
	to *Handle
	in Input
}

// shard is one goroutine of a Driver and the cores that it owns.
type shard struct {
	driver *Driver
	inbox  chan envelope

	mu        sync.Mutex
	completed []envelope    // never waits for room; see invariant 3 of Driver
	wake      chan struct{} // has room for one: completed is not empty

	// Owned by run.
	handles map[*Handle]struct{}
	timers  timerHeap
	spare   []envelope // memory of the batch before, for completed
}

func newShard(d *Driver) *shard {
	return &shard{driver: d, inbox: make(chan envelope, d.opts.Mailbox),
		wake: make(chan struct{}, 1), handles: map[*Handle]struct{}{}}
}

// complete queues an input that must not be refused.
func (s *shard) complete(e envelope) {
	s.mu.Lock()
	s.completed = append(s.completed, e)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.untilNext())
		select {
		case e := <-s.inbox:
			s.drain()
			s.step(e)
		case <-s.wake:
			s.drain()
		case <-timer.C:
			s.tick()
		case <-s.driver.stop:
			for h := range s.handles {
				h.letGo(ErrClosed)
			}
			return
		}
	}
}

// drain steps what was completed. It comes before every input from the mailbox, so
// that what a Host delivered before a request was made is stepped before it.
func (s *shard) drain() {
	s.mu.Lock()
	batch := s.completed
	s.completed = s.spare[:0]
	s.mu.Unlock()
	for i, e := range batch {
		s.step(e)
		batch[i] = envelope{}
	}
	s.spare = batch
}

// untilNext is how long no core needs a Tick.
func (s *shard) untilNext() time.Duration {
	if len(s.timers) == 0 {
		return time.Hour
	}
	return max(0, s.timers[0].at-s.driver.Now())
}

func (s *shard) tick() {
	for len(s.timers) > 0 && s.timers[0].at <= s.driver.Now() {
		h := s.timers[0].owner
		heap.Pop(&s.timers)
		s.step(envelope{h, Tick{}})
	}
}

func (s *shard) step(e envelope) {
	h := e.to
	if h.isGone() {
		return
	}
	if _, closing := e.in.(closeInput); closing {
		s.remove(h, ErrClosed)
		return
	}
	s.handles[h] = struct{}{}
	h.runner.Step(s.driver.Now(), e.in)
	h.inFlight.Store(int64(h.runner.Pending()))
	if err := h.runner.Failed(); err != nil {
		s.remove(h, err)
		h.host.Reset(err)
		return
	}
	s.schedule(h, h.runner.WakeAt())
}

func (s *shard) remove(h *Handle, cause error) {
	s.schedule(h, 0)
	delete(s.handles, h)
	h.letGo(cause)
}

// schedule sets, moves or clears (at 0) the wake-up of a core.
func (s *shard) schedule(h *Handle, at time.Duration) {
	t := &h.timer
	switch {
	case at == 0 && t.index >= 0:
		heap.Remove(&s.timers, t.index)
	case at != 0 && t.index >= 0:
		t.at = at
		heap.Fix(&s.timers, t.index)
	case at != 0:
		t.at, t.owner = at, h
		heap.Push(&s.timers, t)
	}
}

func (h *Handle) isGone() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// handleExecutor starts the duties of a Handle's core; on the shard's goroutine.
type handleExecutor Handle

func (x *handleExecutor) Append(a Append) {
	x.host.Append(a, func(d Done) { x.answer(d) })
}

func (x *handleExecutor) Propose(p Propose) {
	x.host.Propose(p, func(d Done) { x.answer(d) })
}

func (x *handleExecutor) Send(m Send) { x.host.Send(m, x.answer) }

func (x *handleExecutor) Do(duty any) { x.host.Do(duty) }

func (x *handleExecutor) Reply(r Reply, err error) {
	if ch := (*Handle)(x).take(r.ID); ch != nil {
		ch <- answer{r.Response, err}
	}
}

func (x *handleExecutor) answer(in Input) {
	x.shard.complete(envelope{(*Handle)(x), in})
}

// timerEntry is a core's place among the wake-ups of its shard.
type timerEntry struct {
	at    time.Duration
	owner *Handle
	index int // in the heap, -1 if in none
}

// timerHeap implements heap.Interface, soonest first.
type timerHeap []*timerEntry

func (t timerHeap) Len() int           { return len(t) }
func (t timerHeap) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timerHeap) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push adds x, a *timerEntry.
func (t *timerHeap) Push(x any) {
	e := x.(*timerEntry)
	e.index = len(*t)
	*t = append(*t, e)
}

// Pop removes the last entry.
func (t *timerHeap) Pop() any {
	old := *t
	e := old[len(old)-1]
	e.index = -1
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return e
}
