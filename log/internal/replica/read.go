package replica

import (
	"fmt"

	"github.com/millrace/millrace/log/record"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Fetch reads whole record batches from the one that holds offset on, about
// maxBytes of them; with atLeastOne at least one, however large. Above the end that
// iso may see there is nothing. An offset that the log does not have is
// OFFSET_OUT_OF_RANGE.
func (p *Partition) Fetch(offset int64, maxBytes int, iso Isolation, atLeastOne bool) (FetchResult, error) {
	// The stable offset first: then it is not above the high watermark.
	r := FetchResult{LastStable: p.stable.Load()}
	r.HighWatermark = p.high.Load()
	r.LogStart = p.log.LogStart()
	end := r.HighWatermark
	if iso == ReadCommitted {
		end = r.LastStable
	}
	if offset < r.LogStart || offset > r.HighWatermark && offset > p.log.LogEnd() {
		return r, refuse(kerr.OffsetOutOfRange, "%s/%d: offset %d, the log has %d to %d", p.name, p.index, offset, r.LogStart, p.log.LogEnd())
	}
	select {
	case <-p.gone:
		return r, p.closedError()
	default:
	}
	if offset >= end || maxBytes <= 0 && !atLeastOne {
		return r, nil
	}
	batches, err := p.log.Read(offset, maxBytes, end)
	if err != nil {
		return r, fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	if len(batches) > maxBytes && !atLeastOne {
		return r, nil
	}
	r.Batches = batches
	if iso == ReadCommitted && len(batches) > 0 {
		r.Aborted, err = p.aborted(offset, batches)
	}
	return r, err
}

// aborted are the aborted transactions that reach into batches read from offset.
func (p *Partition) aborted(offset int64, batches []byte) ([]AbortedTransaction, error) {
	found, err := p.log.AbortedTransactions(offset, endOf(batches))
	if err != nil {
		return nil, fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	aborted := make([]AbortedTransaction, len(found))
	for i, t := range found {
		aborted[i] = AbortedTransaction{ProducerID: t.ProducerID, FirstOffset: t.FirstOffset}
	}
	return aborted, nil
}

// endOf is the offset after the last of whole batches.
func endOf(batches []byte) int64 {
	end := int64(-1)
	for len(batches) > 0 {
		h, err := record.ParseHeader(batches)
		if err != nil {
			panic(fmt.Sprintf("replica: storage gave a batch that is none: %v", err))
		}
		end = h.LastOffset() + 1
		batches = batches[h.Size():]
	}
	return end
}

// OffsetForEpoch answers OffsetForLeaderEpoch: the largest leader epoch in the log
// that is not above epoch, and the offset at which it ends; -1 and -1 if there is
// none, or if epoch is above the latest. The latest epoch ends at the log end.
func (p *Partition) OffsetForEpoch(epoch int32) (foundEpoch int32, endOffset int64) {
	return p.log.EpochEnd(epoch)
}

// OffsetForTimestamp is the first record with at least that timestamp, in
// milliseconds, among what iso may see; both are -1 if there is none.
func (p *Partition) OffsetForTimestamp(ts int64, iso Isolation) (offset, timestamp int64, err error) {
	at, ok, err := p.log.OffsetForTimestamp(ts, p.visible(iso))
	if err != nil {
		return -1, -1, fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	if !ok {
		return -1, -1, nil
	}
	return at.Offset, at.TimestampMs, nil
}

// MaxTimestamp is the record with the highest timestamp, the first of several; both
// are -1 if there is none, or as long as iso may not see that record: an earlier one is
// not looked for, as in Kafka.
func (p *Partition) MaxTimestamp(iso Isolation) (offset, timestamp int64, err error) {
	at, ok, err := p.log.MaxTimestamp()
	if err != nil {
		return -1, -1, fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	if !ok || at.Offset >= p.visible(iso) {
		return -1, -1, nil
	}
	return at.Offset, at.TimestampMs, nil
}

// DeleteRecords makes before the first offset of the log, durably, and returns what
// is the first now; -1 stands for the high watermark. What is above that is
// OFFSET_OUT_OF_RANGE, and a topic that is only compacted refuses: what it keeps is
// decided by its keys.
func (p *Partition) DeleteRecords(before int64) (int64, error) {
	high := p.high.Load()
	if before == -1 {
		before = high
	}
	switch {
	case p.compactOnly.Load():
		return 0, refuse(kerr.PolicyViolation, "%s/%d: cleanup.policy=compact keeps the last record of each key", p.name, p.index)
	case before < 0 || before > high:
		return 0, refuse(kerr.OffsetOutOfRange, "%s/%d: cannot delete below %d, the high watermark is %d", p.name, p.index, before, high)
	}
	start, err := p.log.DeleteRecords(before)
	if err != nil {
		return 0, fmt.Errorf("%s/%d: %w", p.name, p.index, coded(err))
	}
	return start, nil
}
