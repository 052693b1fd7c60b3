package storage

import (
	"context"
	"time"
)

// throttle keeps work in the background at a rate: who has done more than its
// share waits until the time for it has passed. What was not used is not saved up
// beyond a tenth of a second.
type throttle struct {
	bytesPerSecond int64
	free           time.Time // when everything spent so far is paid for
}

// spend counts bytes that were read or written, and waits. It is ctx's error if that
// ends first.
func (t *throttle) spend(ctx context.Context, bytes int) error {
	if t.bytesPerSecond <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if t.free.Before(now.Add(-throttleSlice)) {
		t.free = now.Add(-throttleSlice)
	}
	t.free = t.free.Add(time.Duration(float64(bytes) / float64(t.bytesPerSecond) * float64(time.Second)))
	wait := t.free.Sub(now)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const throttleSlice = 100 * time.Millisecond
