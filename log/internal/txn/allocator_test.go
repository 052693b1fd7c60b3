package txn

import (
	"context"
	"errors"
	"testing"
)

func TestAllocator(t *testing.T) {
	next, fail := int64(100), false
	a := newAllocator(func(context.Context) (int64, int64, error) {
		if fail {
			return 0, 0, errors.New("no quorum")
		}
		next += 100
		return next, 5, nil
	})
	take := func(n, wantFirst, wantGot int64) {
		t.Helper()
		first, got, err := a.take(t.Context(), n)
		if err != nil || first != wantFirst || got != wantGot {
			t.Fatalf("take(%d) = %d, %d, %v, want %d, %d", n, first, got, err, wantFirst, wantGot)
		}
	}
	take(1, 200, 1)
	take(3, 201, 3)
	take(3, 204, 1) // what is left of the block
	fail = true
	if _, _, err := a.take(t.Context(), 1); err == nil {
		t.Fatal("ids from nowhere")
	}
	fail = false
	take(2, 300, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	<-a.turn // somebody else is fetching
	if _, _, err := a.take(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("take after its context: %v", err)
	}
}
