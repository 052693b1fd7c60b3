package client

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// split cuts a response's record data into whole batches, checks each, and keeps
// those that are to be seen. Next passes over all of them.
//
// The data may begin with a batch whose first records are below the position
// (brokers send whole batches), may end in a batch that is cut, and may have gaps
// between batches (compaction, transaction markers that were removed). What stands
// in front of a batch that is damaged is handed out first; the next response then
// begins with the damaged one, and its error names the offset.
func (f *Fetched) split(data []byte, aborted *abortedFilter) error {
	for len(data) > 0 {
		batch, rest, err := record.Split(data)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		var h record.Header
		if err == nil {
			h, err = record.Check(batch, record.Limits{Sparse: true})
		}
		if err != nil && f.Next > f.From {
			return nil
		}
		if err != nil {
			return err
		}
		data = rest
		if h.LastOffset() < f.From {
			continue
		}
		if f.Next < h.LastOffset()+1 {
			f.Next = h.LastOffset() + 1
		}
		drop, err := aborted.drops(h, batch)
		if err != nil {
			return err
		}
		if !drop && !h.Control() && h.Count > 0 {
			f.Batches = append(f.Batches, batch)
		}
	}
	return nil
}

// abortedFilter decides which batches of a response belong to aborted
// transactions. The response lists (producer, first offset) of every aborted
// transaction that overlaps it; a transaction ends at its producer's marker. nil
// drops nothing.
type abortedFilter struct {
	pending []kmsg.FetchResponseTopicPartitionAbortedTransaction // by first offset
	open    map[int64]bool                                       // producers in an aborted transaction
}

func newAbortedFilter(list []kmsg.FetchResponseTopicPartitionAbortedTransaction) *abortedFilter {
	a := &abortedFilter{pending: slices.Clone(list), open: map[int64]bool{}}
	slices.SortFunc(a.pending, func(x, y kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Compare(x.FirstOffset, y.FirstOffset)
	})
	return a
}

func (a *abortedFilter) drops(h record.Header, batch []byte) (bool, error) {
	if a == nil || !h.Transactional() {
		return false, nil
	}
	for len(a.pending) > 0 && a.pending[0].FirstOffset <= h.LastOffset() {
		a.open[a.pending[0].ProducerID] = true
		a.pending = a.pending[1:]
	}
	if !h.Control() {
		return a.open[h.ProducerID], nil
	}
	if a.open[h.ProducerID] && h.Count > 0 {
		marker, err := record.ParseControl(batch)
		if err != nil {
			return false, fmt.Errorf("transaction marker at offset %d: %w", h.BaseOffset, err)
		}
		if marker.Marker == record.Abort {
			delete(a.open, h.ProducerID)
		}
	}
	return true, nil
}
