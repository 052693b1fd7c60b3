package storage

import (
	"cmp"
	"slices"
	"sort"

	"github.com/millrace/millrace/log/record"
)

// cleanTxns is what a pass of compaction knows of transactions. A range that may be
// cleaned has no open one, so each is committed or aborted:
//
//  1. Data of an aborted transaction lies between the first offset and the marker of
//     an entry of the aborted index, by its producer. It goes.
//  2. A marker stays as long as a pass still meets a batch of its transaction, even
//     an emptied one: without the marker that would look like an open transaction.
//     So passes begin at the log's first segment.
//  3. An entry of the aborted index stays as long as the marker: who reads data from
//     a segment that has just been replaced still learns that it was aborted.
type cleanTxns struct {
	aborted map[int64][]abortedEntry // by producer, by first offset
	met     map[int64]bool           // producers with data since their last marker
	last    map[int64]*lastWrite
}

// lastWrite is where the state of a producer would be rebuilt from, should its
// snapshot be lost: its last batch with sequences, or, if it has none, its last
// marker, which has its epoch.
type lastWrite struct {
	epoch  int16
	data   int64 // last offset of the batch, -1 none
	marker int64 // offset of the marker, -1 if not known: then any of that epoch
}

// newCleanTxns takes the state of all producers and the aborted transactions with
// data below an offset.
func (l *Log) newCleanTxns(before int64) (*cleanTxns, error) {
	t := &cleanTxns{aborted: map[int64][]abortedEntry{}, met: map[int64]bool{}, last: map[int64]*lastWrite{}}
	v := &view{log: l}
	l.mu.Lock()
	segments := l.segments
	v.gen, v.swaps = l.gen, l.swaps
	for id, p := range l.producers.byID {
		w := &lastWrite{epoch: p.epoch, data: -1, marker: -1}
		if b := p.last(); b != nil {
			w.data = b.offset
		}
		t.last[id] = w
	}
	l.mu.Unlock()
	for _, s := range segments {
		entries, err := v.abortedIn(s)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.first < before {
				t.aborted[e.producerID] = append(t.aborted[e.producerID], e)
			}
		}
	}
	for _, list := range t.aborted {
		slices.SortFunc(list, func(a, b abortedEntry) int { return cmp.Compare(a.first, b.first) })
	}
	return t, nil
}

// isAborted says whether a data batch belongs to an aborted transaction.
func (t *cleanTxns) isAborted(h *record.Header) bool {
	if !h.Transactional() {
		return false
	}
	list := t.aborted[h.ProducerID]
	i := sort.Search(len(list), func(i int) bool { return list[i].first > h.BaseOffset }) - 1
	return i >= 0 && h.BaseOffset < list[i].marker
}

// meet takes a data batch, marker the marker of a producer; met says whether a
// batch of the transaction that it ends was met.
func (t *cleanTxns) meet(h *record.Header) {
	if h.Transactional() {
		t.met[h.ProducerID] = true
	}
}

func (t *cleanTxns) marker(h *record.Header) (met bool) {
	met = t.met[h.ProducerID]
	delete(t.met, h.ProducerID)
	return met
}

// noteMarker is for the dirty range, which is read before anything is removed: of a
// producer without sequences the last marker counts.
func (t *cleanTxns) noteMarker(h *record.Header) {
	if w := t.last[h.ProducerID]; w != nil && w.data < 0 && w.epoch == h.ProducerEpoch {
		w.marker = h.BaseOffset
	}
}

// isLast says whether a batch is the one from which its producer's state would be
// rebuilt.
func (t *cleanTxns) isLast(h *record.Header) bool {
	w := t.last[h.ProducerID]
	switch {
	case h.ProducerID < 0 || w == nil:
		return false
	case w.data >= 0:
		return !h.Control() && h.LastOffset() == w.data
	case w.marker >= 0:
		return h.Control() && h.BaseOffset == w.marker
	}
	return h.Control() && h.ProducerEpoch == w.epoch
}
