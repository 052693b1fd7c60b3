package txn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestGuards: a marker waits for the appends that entered before it, of its producer
// and partition only.
func TestGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuards()
		k := guardKey{1, TopicPartition{"t", 0}}
		g.enter(k)
		g.enter(k)
		done := make(chan error, 1)
		go func() { done <- g.wait(t.Context(), k) }()
		if err := g.wait(t.Context(), guardKey{2, TopicPartition{"t", 0}}); err != nil {
			t.Fatal(err)
		}
		g.leave(k)
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("a marker went past an append")
		default:
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.wait(ctx, k); !errors.Is(err, context.Canceled) {
			t.Fatalf("wait after its context: %v", err)
		}
		g.leave(k)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(g.held) != 0 {
			t.Fatalf("guards left behind: %v", g.held)
		}
	})
}
