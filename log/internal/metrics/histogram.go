// Package metrics is how the log counts: what stands in the way of a request is an
// atomic addition, and everything else happens when somebody looks.
//
//	var took metrics.Histogram
//	took.Observe(time.Since(began))
//
// It knows no metric by name; package log names them.
package metrics

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper bounds of a Histogram's buckets: from a request that is
// answered out of memory to one that a client has given up.
var Bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second,
}

// Histogram counts durations. The zero value is ready. Observe costs two atomic
// additions, so it can stand in the way of every request; it may be used concurrently.
type Histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64 // each counts what is in no lower one
	nanos   atomic.Int64
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// Durations is what a Histogram has counted.
type Durations struct {
	// Count is how many durations there were, Sum how long they were together.
	Count uint64
	Sum   time.Duration
	// Within are how many were at most as long as each of Bounds.
	Within [len(Bounds)]uint64
}

// Read is what was counted so far. Durations that are observed meanwhile may be in it
// in part: they are in Count and Within, and not yet in Sum.
func (h *Histogram) Read() Durations {
	var d Durations
	d.Sum = time.Duration(h.nanos.Load())
	for i := range h.buckets {
		d.Count += h.buckets[i].Load()
		if i < len(d.Within) {
			d.Within[i] = d.Count
		}
	}
	return d
}
