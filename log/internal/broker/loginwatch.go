package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// followUsers cuts off users who are deleted, on all their connections and at once, until
// stop is called, which waits for it.
//
// A connection's next request looks its user up too (see login), and that would do for
// clients that ask something. But one that waits for records would still be sent those
// that come within its wait, and one that asks nothing would stay for ten minutes, while
// whoever has deleted a user believes him gone.
func (b *Broker) followUsers() (stop func()) {
	changed, stopWatching := b.opts.Meta.Watch()
	ctx, cancel := context.WithCancel(b.open)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stopWatching()
		seen := b.image()
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			if im := b.image(); !im.SameUsers(seen) {
				seen = im
				b.cutOff(b.places.clear(im.HasUser))
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// cutOff ends the connections of users who were deleted.
func (b *Broker) cutOff(gone map[string][]*place) {
	for _, user := range slices.Sorted(maps.Keys(gone)) {
		for _, p := range gone[user] {
			p.counts.failed.Add(1)
			p.shove()
		}
		b.opts.Logger.Info("the user was deleted: his connections are closed", "user", short(user), "connections", len(gone[user]))
	}
}
