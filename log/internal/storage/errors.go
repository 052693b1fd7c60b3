package storage

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/log/record"
)

// Kinds of failure that callers branch on; every error wraps at most one of them.
var (
	// ErrOutOfOrderSequence is a gap in an idempotent producer's sequence.
	ErrOutOfOrderSequence = errors.New("out of order sequence")
	// ErrInvalidProducerEpoch is a batch of a producer that a newer epoch has fenced.
	ErrInvalidProducerEpoch = errors.New("producer is fenced by a newer epoch")
	// ErrInvalidTxnState is a batch outside a transaction from a producer that has
	// one open in this partition.
	ErrInvalidTxnState = errors.New("producer has an open transaction")
	// ErrCoordinatorFenced is a marker from a transaction coordinator that a newer
	// one has replaced.
	ErrCoordinatorFenced = errors.New("transaction coordinator is fenced by a newer epoch")
	// ErrInvalidRecord is a batch that a client must not send: a control batch,
	// several batches where one is due, timestamps only the broker may set.
	ErrInvalidRecord = errors.New("invalid record batch")
	// ErrOffsetOutOfRange is an offset below the log's start or above its end.
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrStaleEpoch is an append in a leader epoch below the log's latest: the writer
	// is no longer the leader.
	ErrStaleEpoch = errors.New("stale leader epoch")
	// ErrCorrupt is damage below what is known to be durable: the replica is out of
	// service and its files stay as they are, for a person or a peer to repair.
	ErrCorrupt = errors.New("partition is damaged and out of service")
	// ErrFull is a disk without room. Nothing of the append is kept; it succeeds
	// again once there is space.
	ErrFull = errors.New("disk is full")
	// ErrFailed is a disk on which a sync or write failed. The process has been told
	// through Options.Fatal; only a restart helps, because nobody knows what the
	// disk holds.
	ErrFailed = errors.New("disk has failed")
	// ErrClosed is a log or disk after Close, or a log that was deleted.
	ErrClosed = errors.New("log is closed")
	// ErrRefused is a data directory that this process must not use.
	ErrRefused = errors.New("data directory refused")
)

// CorruptError says which bytes of a partition are damaged. It is ErrCorrupt.
type CorruptError struct {
	// File is the damaged file and Position the first bad byte in it.
	File     string
	Position int64
	// Durable is the offset up to which data was known to be on disk.
	Durable int64
	// Cause says what is wrong there.
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: byte %d, below the durable offset %d: %v; %v: restore the partition directory from a replica or a backup",
		e.File, e.Position, e.Durable, e.Cause, ErrCorrupt)
}

// Is makes it ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap is the cause.
func (e *CorruptError) Unwrap() error { return e.Cause }

// IsBadBatch reports whether an append failed because of the bytes it was given
// and would fail again: checksum, lengths, format, size, codec, or what a client
// must not send.
func IsBadBatch(err error) bool {
	return errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrMagic) || errors.Is(err, record.ErrTooLarge) ||
		errors.Is(err, record.ErrCodec) || errors.Is(err, ErrInvalidRecord)
}
