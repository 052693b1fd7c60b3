package txn

import (
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// Markers is the message of a core.Send: write these markers, then bring a
// MarkersWritten.
type Markers struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	// CoordinatorEpoch is the leader epoch of the coordinator's partition.
	CoordinatorEpoch int32
	Commit           bool
	// Version is 2 if the markers' epoch is higher than that of the data, else 1.
	Version    int16
	Partitions []TopicPartition
}

// MarkersWritten is the input that says which of the markers of a Markers could not be
// written. All others are committed, or their partition does not exist any more.
type MarkersWritten struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	Missing         []TopicPartition
}

// sendMarkers has the missing markers written, once the decision is committed.
func (c *Core) sendMarkers(t *transaction) {
	if !t.state.deciding() {
		return
	}
	version := t.version
	if t.lastEpoch == math.MaxInt16 {
		version = 1 // the epoch could not rise
	}
	m := Markers{TransactionalID: t.id, ProducerID: t.pid, ProducerEpoch: t.epoch,
		CoordinatorEpoch: c.epoch, Commit: t.state == PrepareCommit, Version: version,
		Partitions: slices.Clone(t.unmarked)}
	c.token++
	c.out.AddAfter(t.token, core.Send{Token: c.token, Message: m})
}

func (c *Core) markersWritten(in MarkersWritten) {
	t := c.txns[in.TransactionalID]
	if t == nil || !t.state.deciding() || t.pid != in.ProducerID || t.epoch != in.ProducerEpoch {
		return // of a transaction that is over
	}
	if len(in.Missing) == 0 {
		c.complete(t)
		return
	}
	t.unmarked = in.Missing
	t.attempt++
	pause := c.cfg.RetryMin << min(t.attempt-1, 16)
	c.timers.Set(timerKey{markerTimer, t.id}, c.now+min(pause, c.cfg.RetryMax))
}

// complete ends a decided transaction whose markers are all written.
func (c *Core) complete(t *transaction) {
	if t.state == PrepareCommit {
		t.state = CompleteCommit
	} else {
		t.state = CompleteAbort
	}
	t.partitions, t.unmarked = nil, nil
	c.rotate(t)
	c.write(t)
	c.unpark(t)
}

// begin starts the clocks of what was replayed and goes on with what was decided.
func (c *Core) begin() {
	c.begun = true
	for _, id := range c.sortedIDs() {
		t := c.txns[id]
		switch {
		case t.state.deciding():
			t.unmarked = slices.Clone(t.partitions)
			c.sendMarkers(t)
		case t.state == Ongoing:
			// Clocks may have been set: never wait longer than the whole timeout.
			left := min(max(t.startMs+int64(t.timeoutMs)-c.wall(), 0), int64(t.timeoutMs))
			c.timers.Set(timerKey{abortTimer, id}, c.now+time.Duration(left)*time.Millisecond)
			c.out.Add(core.Install{State: Began{t.id, t.pid, t.epoch, slices.Clone(t.partitions)}})
		}
	}
	c.timers.Set(timerKey{kind: expiryTimer}, c.now+expiryInterval)
}
