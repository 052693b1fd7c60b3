package storage

import (
	"cmp"
	"errors"
	"slices"
)

// AbortedTransactions is every aborted transaction with data or marker in
// [from, to), ordered by first offset.
func (l *Log) AbortedTransactions(from, to int64) ([]AbortedTxn, error) {
	for {
		found, err := l.abortedBetween(from, to)
		if !errors.Is(err, errMoved) {
			return found, l.settle("find aborted transactions of", err)
		}
	}
}

func (l *Log) abortedBetween(from, to int64) (found []AbortedTxn, err error) {
	v := &view{log: l}
	l.mu.Lock()
	err = l.usable()
	segments := l.segments
	v.gen, v.swaps = l.gen, l.swaps
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, s := range segments[segmentAt(segments, from):] {
		entries, err := v.abortedIn(s)
		if err != nil {
			return nil, err
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
func (v *view) abortedIn(s *segment) ([]abortedEntry, error) {
	l := v.log
	l.mu.Lock()
	none := s.aborted == 0
	l.mu.Unlock()
	if none {
		return nil, nil
	}
	h, x, err := l.open(s)
	if err != nil {
		return nil, v.explain(err)
	}
	l.disk.handles.release(h)
	return x.aborted, nil
}
