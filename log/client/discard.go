package client

import (
	"context"
	"time"
)

// discard drops everything that is not acknowledged and waits until no request
// refers to it. Until reset, appending fails with cause.
func (a *accumulator) discard(cause error) {
	a.mu.Lock()
	a.fail(cause)
	a.sending.cancel()
	for a.sending.flying > 0 {
		_ = a.await(context.Background()) // sends end soon: their context has ended
	}
	a.mu.Unlock()
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.mu.Lock()
			open := q.open
			q.open = nil
			a.mu.Lock()
			for len(q.ready) > 0 {
				a.ack(q)
			}
			q.retryAt = time.Time{}
			if open != nil {
				a.recycle(open)
			}
			a.mu.Unlock()
			q.mu.Unlock()
		}
	}
}

// reset begins anew under an identity: sequences start at 0, the error is gone.
// Nothing is open or unacknowledged.
func (a *accumulator) reset(id identity) {
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.mu.Lock()
			q.seq = 0
			q.mu.Unlock()
		}
	}
	a.next(id)
}

// next begins the next transaction under an identity. Sequences go on unless the
// epoch has changed.
func (a *accumulator) next(id identity) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range *a.topics.Load() {
		for _, q := range t.queues {
			q.added = false
		}
	}
	a.producer, a.begun = id, false
	if !a.closed {
		a.err = a.misuse
		a.failed.Store(a.err != nil)
	}
	a.sending.init(a.life)
}

// shut gives up what is not acknowledged and waits for requests and goroutines.
func (a *accumulator) shut() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.discard(ErrClosed)
	a.end()
	a.wg.Wait()
}
