package broker

import (
	"fmt"
	"math"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
)

// maxReportedRecords bounds the records that one answer complains about.
const maxReportedRecords = 100

// badRecords is the refusal of a batch because of some of its records (KIP-467).
type badRecords struct {
	code    *kerr.Error
	reason  string
	records []kmsg.ProduceResponseTopicPartitionErrorRecord
}

func (b *badRecords) Error() string { return b.reason }
func (b *badRecords) Unwrap() error { return b.code }

// add complains about a record, by its number in the batch.
func (b *badRecords) add(code *kerr.Error, index int32, why string) {
	// One bad timestamp makes the whole batch's error that of timestamps, as in Kafka.
	if b.code != kerr.InvalidTimestamp {
		b.code, b.reason = code, why
	}
	if len(b.records) < maxReportedRecords {
		e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		e.RelativeOffset, e.ErrorMessage = index, &why
		b.records = append(b.records, e)
	}
}

// bounds are the timestamps that a topic takes from producers (KIP-937), and noTime
// one that says nothing.
type bounds struct{ earliest, latest int64 }

const noTime = -1

func timeBounds(t *meta.Topic, nowMs int64) bounds {
	if t.LogAppendTime() {
		return bounds{math.MinInt64, math.MaxInt64}
	}
	before, after := t.Number("message.timestamp.before.max.ms"), t.Number("message.timestamp.after.max.ms")
	b := bounds{nowMs - before, math.MaxInt64} // nowMs is positive: this cannot overflow
	if after < math.MaxInt64-nowMs {
		b.latest = nowMs + after
	}
	return b
}

// limited reports whether there is an earliest timestamp: by default there is none.
func (b bounds) limited() bool { return b.earliest > 0 }

func (b bounds) admit(ms int64) bool {
	return ms == noTime || b.earliest <= ms && ms <= b.latest
}

// readers are reused for their decompression buffers.
var readers = sync.Pool{New: func() any { return new(record.Reader) }}

// checkRecords looks at the records themselves where the header cannot tell: whether
// each has a key, in a compacted topic, since compaction would have nothing to keep it
// by; and whether their timestamps are within the topic's bounds. Kafka decompresses
// every batch for more checks. Here that is done only if the topic has one of these
// rules that the header does not settle, which by default it has not.
func checkRecords(b []byte, h *record.Header, topic *rules) error {
	times, compacted := topic.times, topic.compacted
	if !compacted && !times.limited() && times.admit(h.MaxTimestamp) {
		return nil
	}
	var bad badRecords
	r := readers.Get().(*record.Reader)
	defer readers.Put(r)
	if err := r.Reset(b); err != nil {
		return refused(kerr.InvalidRecord, err.Error())
	}
	var rec record.Record
	for i := int32(0); r.Next(&rec); i++ {
		if compacted && rec.Key == nil {
			bad.add(kerr.InvalidRecord, i, "a compacted topic takes no record without a key")
		}
		if !times.admit(rec.Timestamp) {
			bad.add(kerr.InvalidTimestamp, i, fmt.Sprintf("timestamp %d is not between %d and %d", rec.Timestamp, times.earliest, times.latest))
		}
	}
	switch err := r.Err(); {
	case err != nil:
		return refused(kerr.InvalidRecord, err.Error())
	case bad.code != nil:
		return &bad
	case !times.admit(h.MaxTimestamp):
		return refused(kerr.InvalidTimestamp, fmt.Sprintf("the batch says that its latest timestamp is %d, which none of its records has", h.MaxTimestamp))
	}
	return nil
}
