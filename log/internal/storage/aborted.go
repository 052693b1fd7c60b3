package storage

import (
	"cmp"
	"slices"
)

// AbortedTransactions is every aborted transaction with data or marker in
// [from, to), ordered by first offset.
func (l *Log) AbortedTransactions(from, to int64) ([]AbortedTxn, error) {
	var found []AbortedTxn
	l.mu.Lock()
	err := l.usable()
	segments, gen := l.segments, l.gen
	l.mu.Unlock()
	if err != nil {
		return nil, l.settle("find aborted transactions of", err)
	}
	for _, s := range segments[segmentAt(segments, from):] {
		entries, err := l.abortedIn(s, gen)
		if err != nil {
			return nil, l.settle("find aborted transactions of", err)
		}
		for _, e := range entries {
			if e.marker >= from && e.first < to {
				found = append(found, AbortedTxn{e.producerID, e.first})
			}
			if e.stable >= to { // all that began before is decided
				return sortAborted(found), nil
			}
		}
	}
	return sortAborted(found), nil
}

func sortAborted(list []AbortedTxn) []AbortedTxn {
	slices.SortFunc(list, func(a, b AbortedTxn) int {
		return cmp.Or(cmp.Compare(a.FirstOffset, b.FirstOffset), cmp.Compare(a.ProducerID, b.ProducerID))
	})
	return list
}

// abortedIn is a segment's entries; nearly always there is none, and no file is
// opened.
func (l *Log) abortedIn(s *segment, gen int) ([]abortedEntry, error) {
	l.mu.Lock()
	none := s.aborted == 0
	l.mu.Unlock()
	if none {
		return nil, nil
	}
	v := view{log: l, gen: gen}
	h, err := l.disk.handles.acquire(s)
	if err != nil {
		return nil, v.explain(err)
	}
	defer l.disk.handles.release(h)
	x, err := l.indexOf(h)
	if err != nil {
		return nil, v.explain(err)
	}
	return x.aborted, nil
}
