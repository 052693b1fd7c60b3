package storage

import (
	"slices"
)

// unstableTxn is a transaction whose data readers of committed data must not see
// yet: it is open, or its marker is not yet below the high watermark.
type unstableTxn struct {
	producerID int64
	first      int64 // offset of its first record
	marker     int64 // offset of its marker, -1 while open
}

// txnTable is the unstable transactions of a log, ordered by first offset, which
// is the order in which they open. The marker counts only once the high watermark
// has passed it: until then it may be lost, and with it the reader's permission.
type txnTable struct{ list []unstableTxn }

func (t *txnTable) open(producerID, first int64) {
	t.list = append(t.list, unstableTxn{producerID, first, -1})
}

// close ends a transaction and is the last stable offset after that: the first
// offset of the first one that is still open, or the one after the marker.
func (t *txnTable) close(first, marker int64) (stable int64) {
	stable = marker + 1
	for i := range t.list {
		if t.list[i].first == first {
			t.list[i].marker = marker
		}
		if t.list[i].marker < 0 {
			stable = min(stable, t.list[i].first)
		}
	}
	return stable
}

// lastStable is the first offset that is unstable below a high watermark. What
// that watermark has decided is forgotten.
func (t *txnTable) lastStable(highWatermark int64) int64 {
	t.list = slices.DeleteFunc(t.list, func(u unstableTxn) bool { return u.marker >= 0 && u.marker < highWatermark })
	if len(t.list) > 0 {
		return min(highWatermark, t.list[0].first)
	}
	return highWatermark
}

// fromProducers rebuilds the open transactions of a snapshot.
func (t *txnTable) fromProducers(p producerTable) {
	t.list = t.list[:0]
	for id, s := range p.byID {
		if s.txnFirst >= 0 {
			t.list = append(t.list, unstableTxn{id, s.txnFirst, -1})
		}
	}
	slices.SortFunc(t.list, func(a, b unstableTxn) int { return int(a.first - b.first) })
}
