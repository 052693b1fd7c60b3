package storage

import (
	"context"
	"errors"
	"time"
)

// cleaner compacts the logs of a disk: of the records with the same key it leaves
// the last.
//
// The simple way keeps an index of all keys. A log instead is read again now and
// then, dirtiest first, one at a time, by one goroutine with one map of bounded
// size, at a bounded rate. What has to hold, whatever is removed (the numbers are
// those of ARCHITECTURE.md where they are there):
//
//  1. Only finished segments wholly below the high watermark, the last stable offset
//     and what is synced are touched. So nothing that may still be truncated, and no
//     open transaction.
//  2. Offsets never change. A reader that starts anywhere sees for each key a value
//     at least as new as it would have, and the last one.
//  3. Whoever begins to read at the log's start and takes less than
//     Config.DeleteRetention to come to the end sees every tombstone that deletes
//     something it has seen.
//  4. What a producer's next batch is checked against survives, also if the caches
//     are lost.
//  5. A crash at any moment leaves all old segments of a group, or the new one.
//
// A log whose records cannot be read is left as it is, reported, and looked at again
// after a restart.
type cleaner struct {
	d    *Disk
	stop context.CancelFunc
	done chan struct{}

	limit throttle
	given map[TopicPartition]error // logs given up
}

func startCleaner(d *Disk) *cleaner {
	ctx, stop := context.WithCancel(context.Background())
	c := &cleaner{d: d, stop: stop, done: make(chan struct{}), given: map[TopicPartition]error{}}
	c.limit.bytesPerSecond = d.o.CleanerBytesPerSecond
	go c.loop(ctx)
	return c
}

// close ends the cleaner at once, in the middle of a pass if need be.
func (c *cleaner) close() {
	c.stop()
	<-c.done
}

func (c *cleaner) loop(ctx context.Context) {
	defer close(c.done)
	t := time.NewTicker(c.d.o.CleanerInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			c.turn(ctx, now)
		}
	}
}

// turn compacts what needs it, each log once.
func (c *cleaner) turn(ctx context.Context, now time.Time) {
	done := map[*Log]bool{}
	for ctx.Err() == nil && c.d.Err() == nil {
		l, highWatermark := c.dirtiest(now, done)
		if l == nil {
			return
		}
		done[l] = true
		c.clean(ctx, l, now, highWatermark)
	}
}

// dirtiest is the log that needs compaction most, nil if none does.
func (c *cleaner) dirtiest(now time.Time, done map[*Log]bool) (worst *Log, highWatermark int64) {
	var most cleanRange
	for _, l := range c.d.openLogs() {
		cfg := l.cfg.Load()
		if !cfg.Compact || done[l] || c.given[l.id] != nil {
			continue
		}
		l.mu.Lock()
		high := l.highWatermark
		l.mu.Unlock()
		r, err := l.cleanable(now, high)
		if err != nil || !r.wants(cfg) {
			continue // a log that is closed or damaged has said so
		}
		if worst == nil || r.overdue && !most.overdue || r.overdue == most.overdue && r.ratio() > most.ratio() {
			worst, most, highWatermark = l, r, high
		}
	}
	return worst, highWatermark
}

func (c *cleaner) clean(ctx context.Context, l *Log, now time.Time, highWatermark int64) {
	var stats CleanStats
	began := time.Now()
	err := l.settle("compact", l.clean(ctx, now, highWatermark, &c.limit, &stats))
	switch {
	case err == nil:
		c.d.counted.cleaned(&stats, time.Since(began))
		c.d.o.Logger.Info("compacted", "log", l.id.String(), "took", time.Since(began), "removed", stats.Removed,
			"read", stats.ReadBytes, "written", stats.WrittenBytes, "before", stats.BeforeBytes, "after", stats.AfterBytes)
		if stats.Keyless > 0 {
			c.d.o.Logger.Warn("a compacted topic held records without a key; they were removed", "log", l.id.String(), "records", stats.Keyless)
		}
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, ErrCorrupt), errors.Is(err, ErrFailed):
		// Said already, or nothing to say.
	case errors.Is(err, ErrFull):
		c.d.o.Logger.Warn("no room to compact, will try again", "log", l.id.String(), "error", err)
	default:
		c.given[l.id] = err
		c.d.o.Logger.Error("cannot compact a partition; it stays as it is until the next start", "log", l.id.String(), "error", err)
	}
}
