package txn

import "context"

// allocator hands out the producer ids of this node. The metadata gives them in
// blocks, since each costs a round of the quorum; what is left of a block when the
// process ends is never used.
type allocator struct {
	fetch func(ctx context.Context) (first int64, n int64, err error)
	// turn holds one value: who has taken it owns the fields below.
	turn      chan struct{}
	next, end int64
}

func newAllocator(fetch func(context.Context) (int64, int64, error)) *allocator {
	a := &allocator{fetch: fetch, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// take gives up to n consecutive ids, at least one.
func (a *allocator) take(ctx context.Context, n int64) (first, got int64, err error) {
	select {
	case <-a.turn:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	defer func() { a.turn <- struct{}{} }()
	if a.next == a.end {
		first, n, err := a.fetch(ctx)
		if err != nil {
			return 0, 0, err
		}
		a.next, a.end = first, first+n
	}
	first, got = a.next, min(n, a.end-a.next)
	a.next += got
	return first, got, nil
}
