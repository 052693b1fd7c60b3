package replica

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/millrace/millrace/log/record"
	"github.com/twmb/franz-go/pkg/kerr"
)

// errNewEpoch is what became of an append whose leader epoch ended first: it may
// have happened.
var errNewEpoch = refuse(kerr.NotLeaderForPartition, "the leader epoch ended")

// refuse is a reason why a partition does not do what was asked, with Kafka's code.
func refuse(code *kerr.Error, format string, args ...any) error {
	return &meta.Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// codes are Kafka's for the kinds of storage's errors. The first that fits counts.
var codes = []struct {
	kind error
	code *kerr.Error
}{
	{storage.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
	{storage.ErrInvalidProducerEpoch, kerr.InvalidProducerEpoch},
	{storage.ErrInvalidTxnState, kerr.InvalidTxnState},
	{storage.ErrCoordinatorFenced, kerr.TransactionCoordinatorFenced},
	{storage.ErrInvalidRecord, kerr.InvalidRecord},
	{storage.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
	{storage.ErrStaleEpoch, kerr.NotLeaderForPartition},
	{record.ErrTooLarge, kerr.MessageTooLarge},
	{record.ErrMagic, kerr.UnsupportedForMessageFormat},
	{record.ErrCodec, kerr.UnsupportedCompressionType},
	{record.ErrCorrupt, kerr.CorruptMessage},
	// What is damaged, full, failed or closed: the client tries again, perhaps
	// elsewhere.
	{storage.ErrCorrupt, kerr.KafkaStorageError},
	{storage.ErrFull, kerr.KafkaStorageError},
	{storage.ErrFailed, kerr.KafkaStorageError},
	{storage.ErrClosed, kerr.NotLeaderForPartition},
}

// coded adds Kafka's code to an error of storage, so that errors.As finds it.
func coded(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range codes {
		if errors.Is(err, c.kind) {
			return &codedError{err, c.code}
		}
	}
	return &codedError{err, kerr.KafkaStorageError}
}

// codedError is an error of storage with its code.
type codedError struct {
	cause error
	code  *kerr.Error
}

func (e *codedError) Error() string   { return e.cause.Error() }
func (e *codedError) Unwrap() []error { return []error{e.cause, e.code} }
