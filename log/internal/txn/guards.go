package txn

import (
	"context"
	"sync"
)

// guards keep the markers of version 1 behind the data that they end.
//
// In version 1 a transaction and its successor have the same epoch, so a batch that
// was found to be in the transaction and is appended after the marker would open a
// transaction that nobody ends. An append therefore enters before it asks, and a
// marker waits until those that entered have left. Whoever enters later is told that
// the transaction is over. Version 2 needs none of this: its markers raise the epoch.
type guards struct {
	mu   sync.Mutex
	held map[guardKey]*guard
}

type guardKey struct {
	producerID int64
	TopicPartition
}

type guard struct {
	n    int
	free chan struct{} // closed when n gets back to 0
}

func newGuards() *guards { return &guards{held: map[guardKey]*guard{}} }

// enter holds markers back until leave.
func (g *guards) enter(k guardKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.held[k]
	if h == nil {
		h = &guard{free: make(chan struct{})}
		g.held[k] = h
	}
	h.n++
}

func (g *guards) leave(k guardKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.held[k]
	if h.n--; h.n == 0 {
		close(h.free)
		delete(g.held, k)
	}
}

// wait returns when nobody who has entered is inside any more.
func (g *guards) wait(ctx context.Context, k guardKey) error {
	g.mu.Lock()
	h := g.held[k]
	g.mu.Unlock()
	if h == nil {
		return nil
	}
	select {
	case <-h.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
