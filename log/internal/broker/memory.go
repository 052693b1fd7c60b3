package broker

import (
	"context"
	"fmt"
	"sync"
)

// memory is a budget of bytes shared by all connections. Who asks for more than
// is left waits, in order of arrival, so that a large request is not starved by
// small ones. It may be used concurrently.
//
// Invariants:
//
//  1. The sum of what is lent never exceeds capacity.
//  2. Nobody who holds a loan waits for another: it may only shrink or return its
//     own, or take more if that is free. So a full budget always drains and cannot
//     deadlock.
type memory struct {
	capacity int64

	mu      sync.Mutex
	free    int64
	waiting []*memoryWait // in order of arrival
}

type memoryWait struct {
	want  int64
	ready chan struct{} // closed when the loan is granted
}

// loan is a part of a memory's bytes. It belongs to one goroutine at a time.
type loan struct {
	from *memory
	size int64
}

func newMemory(capacity int64) *memory { return &memory{capacity: capacity, free: capacity} }

// take lends size bytes, waiting for them if need be. It fails if ctx ends first
// or if size is beyond the whole budget.
func (m *memory) take(ctx context.Context, size int64) (loan, error) {
	if size > m.capacity {
		return loan{}, fmt.Errorf("%d bytes are beyond the whole budget of %d", size, m.capacity)
	}
	m.mu.Lock()
	if m.free >= size && len(m.waiting) == 0 {
		m.free -= size
		m.mu.Unlock()
		return loan{m, size}, nil
	}
	w := &memoryWait{want: size, ready: make(chan struct{})}
	m.waiting = append(m.waiting, w)
	m.mu.Unlock()

	select {
	case <-w.ready:
		return loan{m, size}, nil
	case <-ctx.Done():
		m.abandon(w)
		return loan{}, ctx.Err()
	}
}

// tryTake lends size bytes if they are free and nobody waits for them.
func (m *memory) tryTake(size int64) (loan, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if size > m.free || len(m.waiting) > 0 {
		return loan{}, false
	}
	m.free -= size
	return loan{m, size}, true
}

// takeSome lends up to size bytes: less if less is free, and only if hardly
// anything is it waits for the little it needs.
func (m *memory) takeSome(ctx context.Context, size int64) (loan, error) {
	for s := size; s > smallLoan; s /= 2 {
		if l, ok := m.tryTake(s); ok {
			return l, nil
		}
	}
	return m.take(ctx, min(size, smallLoan))
}

// smallLoan is what takeSome waits for.
const smallLoan = 256 << 10

// abandon withdraws a wait; if it was granted meanwhile, the bytes go back.
func (m *memory) abandon(w *memoryWait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, other := range m.waiting {
		if other == w {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			m.grant() // the next in line may fit where this one did not
			return
		}
	}
	m.free += w.want
	m.grant()
}

// grant serves waiters from the front while they fit. The caller holds mu.
func (m *memory) grant() {
	for len(m.waiting) > 0 && m.waiting[0].want <= m.free {
		w := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.free -= w.want
		close(w.ready)
	}
}

// shrink gives back what is above size. Growing is not possible (invariant 2).
func (l *loan) shrink(size int64) {
	if l.from == nil || size >= l.size {
		return
	}
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.free += l.size - size
	l.size = size
	l.from.grant()
}

// release gives everything back. It may be called more than once.
func (l *loan) release() { l.shrink(0) }
