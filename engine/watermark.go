package engine

import (
	"time"

	"github.com/millrace/millrace/operators/columnar"
)

// splitClock is the watermark of one split of a source: the highest event time
// seen, less out_of_order, never falling. Rows that a filter removes count too,
// because it runs before any filter.
//
// A split that has nothing more to read would hold every window of the pipeline
// open for ever. It does not leave the minimum over the splits (a row that then
// came would be late although it was not); instead its watermark advances with
// the time that passes, from where it stood. What the clock added is input like a
// row: it is committed with the epoch, beside the position at which it stood, so that
// what is done again after a crash starts from the same watermark.
type splitClock struct {
	outOfOrder int64 // microseconds
	idle       time.Duration

	watermark int64 // MinTime until the first row
	maxEvent  int64

	atEndSince time.Time // zero while there is something to read
	idleBase   int64     // the watermark when the split became idle
	idleSince  time.Time // zero while it is not idle
	advanced   time.Time // when the clock last advanced the watermark
}

func newSplitClock(outOfOrder, idle time.Duration, watermark int64) *splitClock {
	return &splitClock{outOfOrder: outOfOrder.Microseconds(), idle: idle, watermark: watermark, maxEvent: columnar.MinTime}
}

// observe runs over the event times of a batch in order and fills before with the
// watermark ahead of each row.
func (c *splitClock) observe(eventTimes, before []int64) {
	w, top := c.watermark, c.maxEvent
	for i, t := range eventTimes {
		before[i] = w
		if t > top {
			top = t
			if m := subtractTime(t, c.outOfOrder); m > w {
				w = m
			}
		}
	}
	c.watermark, c.maxEvent = w, top
	if len(eventTimes) > 0 {
		c.atEndSince, c.idleSince = time.Time{}, time.Time{}
	}
}

// idleStep is the most often that a silent split's watermark advances: each
// advance makes an epoch that is committed.
const idleStep = time.Second

// tick tells the clock what the last read said and advances an idle split.
func (c *splitClock) tick(now time.Time, atEnd bool) {
	if !atEnd {
		c.atEndSince, c.idleSince = time.Time{}, time.Time{}
		return
	}
	if c.atEndSince.IsZero() {
		c.atEndSince = now
	}
	if c.idle == 0 || c.watermark == columnar.MinTime || now.Sub(c.atEndSince) < c.idle {
		return
	}
	if c.idleSince.IsZero() {
		c.idleSince, c.idleBase, c.advanced = now, c.watermark, now
		return
	}
	if now.Sub(c.advanced) < idleStep {
		return
	}
	c.advanced = now
	c.raise(c.idleBase + now.Sub(c.idleSince).Microseconds())
}

// lean gives a split that never had a row a place for its idle clock to start
// from: where the others stand. (Its own watermark rises from there only once it
// has been silent for idle, and the rise is committed like every other.)
func (c *splitClock) lean(now time.Time, others int64) {
	if c.idle == 0 || others == columnar.MaxTime || others == columnar.MinTime {
		return
	}
	if c.atEndSince.IsZero() || now.Sub(c.atEndSince) < c.idle {
		return
	}
	c.raise(others)
}

// raise moves the watermark to t if that is later.
func (c *splitClock) raise(t int64) { c.watermark = max(c.watermark, t) }

// subtractTime is t-d without wrapping below MinTime.
func subtractTime(t, d int64) int64 {
	if t == columnar.MaxTime {
		return t
	}
	if r := t - d; r <= t {
		return r
	}
	return columnar.MinTime
}

// minimum is the watermark of a stage: the least over its senders.
type minimum struct {
	each []int64
	min  int64
}

func newMinimum(senders int) *minimum {
	m := &minimum{each: make([]int64, senders), min: columnar.MinTime}
	for i := range m.each {
		m.each[i] = columnar.MinTime
	}
	return m
}

// set records a sender's watermark and says whether the minimum rose.
func (m *minimum) set(sender int, t int64) bool {
	if t <= m.each[sender] {
		return false
	}
	was := m.each[sender]
	m.each[sender] = t
	if was > m.min {
		return false
	}
	least := m.each[0]
	for _, w := range m.each[1:] {
		least = min(least, w)
	}
	rose := least > m.min
	m.min = least
	return rose
}
