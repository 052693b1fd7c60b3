package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between attempts. The first is short because the commonest cause, a
// leader or coordinator that has just moved within the process, is over in
// milliseconds; the last is short enough not to be felt after an outage.
const (
	backoffFirst = 5 * time.Millisecond
	backoffLast  = time.Second
	// warnAfter attempts, about four seconds, the log hears of it.
	warnAfter = 12
)

// backoff counts attempts of one thing. The zero value is before the first.
type backoff struct{ n int }

// next is the pause before the next attempt: doubling, with up to a quarter off
// so that clients which failed together do not return together.
func (b *backoff) next() time.Duration {
	d := min(backoffFirst<<min(b.n, 10), backoffLast)
	b.n++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// wait pauses before the next attempt and fails if ctx ends first.
func (b *backoff) wait(ctx context.Context) error {
	return sleep(ctx, b.next())
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
