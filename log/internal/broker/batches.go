package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
)

// rules are what a topic takes from producers, read once for all batches of a request.
type rules struct {
	topic     string
	maxBytes  int
	compacted bool
	times     bounds
}

func rulesOf(t *meta.Topic, now time.Time) rules {
	return rules{t.Name, int(t.Number("max.message.bytes")), t.Cleans("compact"), timeBounds(t, now.UnixMilli())}
}

// checkBatch checks what can be told of a producer's batch from its header and the
// topic: exactly one record batch of format 2, not too large, nothing that is not a
// client's to send; and of its records what checkRecords needs to look at. Its bytes
// (checksum, counts) and its place in the producer's sequence are checked where it is
// appended.
func checkBatch(b []byte, r *rules, version int16) (record.Header, error) {
	if len(b) > r.maxBytes {
		return record.Header{}, refused(kerr.MessageTooLarge,
			fmt.Sprintf("the batch has %d bytes, topic %q takes %d (max.message.bytes)", len(b), r.topic, r.maxBytes))
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
	return h, checkRecords(b, &h, r)
}

// inconsistent tells a batch that contradicts itself, which its producer will send
// again as it is, from one that was damaged on the way: only that has a wrong
// checksum. Kafka gives INVALID_RECORD for the one and CORRUPT_MESSAGE, after which a
// client tries again, for the other.
func inconsistent(b []byte, h record.Header, err error) error {
	if errors.Is(err, record.ErrCorrupt) && record.Checksum(b) == h.CRC {
		return refused(kerr.InvalidRecord, err.Error())
	}
	return err
}
