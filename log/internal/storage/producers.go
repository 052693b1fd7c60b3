package storage

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/millrace/millrace/log/record"
)

// batchesKept is how many of a producer's last batches are remembered, so that a
// repeated one gets its first answer. Kafka's clients keep at most five in flight.
const batchesKept = 5

// seenBatch is one batch of an idempotent producer.
type seenBatch struct {
	firstSeq, lastSeq   int32
	firstOffset, offset int64 // of the first and last record
	timestampMs         int64 // the highest
}

// producer is what a partition remembers of one producer id.
type producer struct {
	epoch       int16
	coordinator int32 // epoch of the transaction coordinator that wrote the last marker, -1 none
	txnFirst    int64 // first offset of the open transaction, -1 none
	timestampMs int64 // highest of the last batch
	touchedMs   int64 // the broker's clock at the last append
	n           int8
	batches     [batchesKept]seenBatch // the first n, oldest first
}

func (p *producer) last() *seenBatch {
	if p.n == 0 {
		return nil
	}
	return &p.batches[p.n-1]
}

func (p *producer) lastSequence() int32 {
	if b := p.last(); b != nil {
		return b.lastSeq
	}
	return -1
}

func (p *producer) remember(b seenBatch) {
	if p.n == batchesKept {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = b
	p.n++
}

// producerTable is the state of all producers of a log, a pure function of the
// batches in it. Rules, as Kafka's (KIP-98, KIP-360):
//
//  1. A batch of an older epoch is refused; a newer epoch forgets the sequences
//     and begins with sequence 0.
//  2. In one epoch the next sequence is the last plus one, wrapping after
//  2147483647. A batch that is among the last five is a duplicate.
//  3. An unknown producer may begin anywhere: its earlier state may have expired.
//  4. A transactional batch opens a transaction at its first offset; a marker
//     closes it. Markers also raise the epoch (KIP-890).
//  5. Only batches of clients are checked for sequences. What a leader has
//     accepted, a follower applies.
type producerTable struct {
	byID map[int64]*producer
}

func newProducerTable() producerTable { return producerTable{byID: map[int64]*producer{}} }

// check verifies a batch before it is appended. It changes nothing. A duplicate is
// the batch as it was first appended.
func (t *producerTable) check(h *record.Header, marker record.Control, origin Origin) (duplicate *seenBatch, err error) {
	p := t.byID[h.ProducerID]
	if h.ProducerID < 0 || p == nil || origin == Replication {
		return nil, nil
	}
	if h.ProducerEpoch < p.epoch {
		return nil, fmt.Errorf("%w: producer %d has epoch %d, the batch %d",
			ErrInvalidProducerEpoch, h.ProducerID, p.epoch, h.ProducerEpoch)
	}
	if h.Control() {
		if marker.CoordinatorEpoch < p.coordinator {
			return nil, fmt.Errorf("%w: producer %d was last written to by coordinator epoch %d, the marker has %d",
				ErrCoordinatorFenced, h.ProducerID, p.coordinator, marker.CoordinatorEpoch)
		}
		return nil, nil
	}
	if origin == Client {
		if duplicate, err = p.sequence(h); duplicate != nil || err != nil {
			return duplicate, err
		}
	}
	if p.txnFirst >= 0 && !h.Transactional() {
		return nil, fmt.Errorf("%w: producer %d, since offset %d", ErrInvalidTxnState, h.ProducerID, p.txnFirst)
	}
	return nil, nil
}

// sequence checks rule 2.
func (p *producer) sequence(h *record.Header) (*seenBatch, error) {
	want := int32(0)
	if h.ProducerEpoch == p.epoch {
		for i := range p.batches[:p.n] {
			b := &p.batches[i]
			if b.firstSeq == h.BaseSequence && b.lastSeq == h.LastSequence() {
				return b, nil
			}
		}
		if last := p.last(); last != nil {
			want = record.NextSequence(last.lastSeq, 1)
		}
	}
	if h.BaseSequence != want {
		return nil, fmt.Errorf("%w: producer %d epoch %d sent sequence %d, %d is next",
			ErrOutOfOrderSequence, h.ProducerID, h.ProducerEpoch, h.BaseSequence, want)
	}
	return nil, nil
}

// apply takes a batch at its final offset. ended is the transaction that a marker
// closed, with the offset of its first record, -1 if it closed none.
func (t *producerTable) apply(h *record.Header, marker record.Control, nowMs int64) (opened bool, ended int64) {
	if h.ProducerID < 0 {
		return false, -1
	}
	p := t.byID[h.ProducerID]
	if p == nil {
		p = &producer{epoch: h.ProducerEpoch, coordinator: -1, txnFirst: -1}
		t.byID[h.ProducerID] = p
	}
	if h.ProducerEpoch != p.epoch {
		p.epoch, p.n = h.ProducerEpoch, 0
	}
	p.timestampMs, p.touchedMs = h.MaxTimestamp, nowMs
	if h.Control() {
		ended, p.txnFirst = p.txnFirst, -1
		p.coordinator = max(p.coordinator, marker.CoordinatorEpoch)
		return false, ended
	}
	if h.BaseSequence >= 0 {
		p.remember(seenBatch{h.BaseSequence, h.LastSequence(), h.BaseOffset, h.LastOffset(), h.MaxTimestamp})
	}
	if h.Transactional() && p.txnFirst < 0 {
		p.txnFirst = h.BaseOffset
		return true, -1
	}
	return false, -1
}

// expire forgets producers without an open transaction that last wrote before a
// time, and, above the bound, those that wrote longest ago.
func (t *producerTable) expire(beforeMs int64, limit int) {
	for id, p := range t.byID {
		if p.txnFirst < 0 && p.touchedMs < beforeMs {
			delete(t.byID, id)
		}
	}
	t.bound(limit)
}

// bound makes room below the limit: a sixteenth more than needed, so that it is
// not called for every new producer.
func (t *producerTable) bound(limit int) {
	if len(t.byID) <= limit {
		return
	}
	ids := make([]int64, 0, len(t.byID))
	for id, p := range t.byID {
		if p.txnFirst < 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int {
		return cmp.Or(cmp.Compare(t.byID[a].touchedMs, t.byID[b].touchedMs), cmp.Compare(a, b))
	})
	for _, id := range ids[:min(len(ids), len(t.byID)-limit+limit/16)] {
		delete(t.byID, id)
	}
}

func (t *producerTable) ids() []int64 {
	ids := make([]int64, 0, len(t.byID))
	for id := range t.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// state is a producer for callers.
func (p *producer) state(id int64) ProducerState {
	return ProducerState{
		ProducerID: id, Epoch: p.epoch, LastSequence: p.lastSequence(), LastTimestampMs: p.timestampMs,
		CoordinatorEpoch: p.coordinator, TxnFirstOffset: p.txnFirst,
	}
}
