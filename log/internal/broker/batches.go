package broker

import (
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
)

// maxReportedRecords bounds the records that one answer complains about.
const maxReportedRecords = 100

// badRecords is the refusal of a batch because of some of its records.
type badRecords struct {
	reason  string
	records []kmsg.ProduceResponseTopicPartitionErrorRecord
}

func (b *badRecords) Error() string { return b.reason }
func (b *badRecords) Unwrap() error { return kerr.InvalidRecord }

// checkBatch checks what can be told of a producer's batch from its header and the
// topic: exactly one record batch of format 2, not too large, nothing that is not a
// client's to send. Its bytes (checksum, counts) and its place in the producer's
// sequence are checked where it is appended.
func checkBatch(b []byte, t *meta.Topic, version int16) (record.Header, error) {
	limit := int(t.Number("max.message.bytes"))
	if len(b) > limit {
		return record.Header{}, refused(kerr.MessageTooLarge,
			fmt.Sprintf("the batch has %d bytes, topic %q takes %d (max.message.bytes)", len(b), t.Name, limit))
	}
	h, err := record.ParseHeader(b)
	switch {
	case errors.Is(err, record.ErrMagic):
		return h, refused(kerr.UnsupportedForMessageFormat, err.Error())
	case err != nil:
		return h, refused(kerr.CorruptMessage, err.Error())
	case h.Size() != len(b):
		return h, refused(kerr.InvalidRecord, fmt.Sprintf("there must be exactly one record batch for each partition; this one says %d bytes of %d", h.Size(), len(b)))
	case h.Control():
		return h, refused(kerr.InvalidRecord, "clients cannot write control records")
	case h.Codec() == record.Zstd && version < 7:
		return h, refused(kerr.UnsupportedCompressionType, fmt.Sprintf("zstd in Produce version %d; it came with 7", version))
	case h.Transactional() && h.ProducerID < 0:
		return h, refused(kerr.InvalidRecord, "transactional records without a producer id")
	case h.ProducerID >= 0 && h.BaseSequence < 0:
		return h, refused(kerr.InvalidRecord, "an idempotent producer's batch without a sequence number")
	}
	if t.Cleans("compact") {
		return h, checkKeys(b)
	}
	return h, nil
}

// readers are reused for their decompression buffers.
var readers = sync.Pool{New: func() any { return new(record.Reader) }}

// checkKeys refuses records without a key: compaction would have nothing to keep
// them by.
func checkKeys(b []byte) error {
	bad := &badRecords{reason: "a compacted topic takes no record without a key"}
	r := readers.Get().(*record.Reader)
	defer readers.Put(r)
	if err := r.Reset(b); err != nil {
		return refused(kerr.InvalidRecord, err.Error())
	}
	var rec record.Record
	for i := int32(0); r.Next(&rec); i++ {
		if rec.Key == nil && len(bad.records) < maxReportedRecords {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.RelativeOffset, e.ErrorMessage = i, &bad.reason
			bad.records = append(bad.records, e)
		}
	}
	if err := r.Err(); err != nil {
		return refused(kerr.InvalidRecord, err.Error())
	}
	if len(bad.records) > 0 {
		return bad
	}
	return nil
}
