package storage

import (
	"context"
	"time"
)

// Origin is who appends, which decides what is checked.
type Origin uint8

const (
	// Client appends one batch whose producer sequence must be the next one.
	Client Origin = iota
	// Coordinator appends markers and the records of coordinators; epochs are
	// checked, sequences are not.
	Coordinator
	// Replication appends what a leader has checked, with its offsets and epochs.
	Replication
)

// AppendOptions says how batches are appended.
type AppendOptions struct {
	Origin Origin
	// LeaderEpoch is stamped into the batches; Replication keeps what they carry.
	LeaderEpoch int32
}

// Ticket is where an append went. It is acknowledged when Durable() > LastOffset.
type Ticket struct {
	BaseOffset int64
	LastOffset int64
	// LogStart is the log's start at that moment.
	LogStart int64
	// AppendTimeMs is the timestamp that the broker set, -1 if it did not.
	AppendTimeMs int64
	// Duplicate reports that the batch was appended before, at these offsets.
	// Nothing was written; acknowledge it like the first time.
	Duplicate bool
}

// TimestampOffset is a record found by time.
type TimestampOffset struct {
	Offset      int64
	TimestampMs int64
	LeaderEpoch int32
}

// AbortedTxn says that the data of a producer from FirstOffset up to its next
// marker was aborted.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// ProducerState is what a partition knows of one producer.
type ProducerState struct {
	ProducerID       int64
	Epoch            int16
	LastSequence     int32 // -1 is none in this epoch
	LastTimestampMs  int64
	CoordinatorEpoch int32 // -1 is none
	// TxnFirstOffset is where its open transaction begins, -1 if none is open.
	TxnFirstOffset int64
}

// Recovery is what OpenLog found and did.
type Recovery struct {
	// Clean is true if nothing had to be read.
	Clean bool
	// Scanned is the number of bytes that were read and checked.
	Scanned int64
	// CutBytes were taken off the end, from offset CutAt, and are kept in the file
	// or directory Kept. 0 is none.
	CutBytes int64
	CutAt    int64
	Kept     string
	// Rebuilt names the cache files that were missing or damaged.
	Rebuilt []string
}

// Log is one partition. It may be used concurrently.
type Log struct{}

// Recovery is what opening the log found.
func (l *Log) Recovery() Recovery { return Recovery{} }

// Append writes batches at the end and returns where they went; it does not wait
// for the disk. Every batch is checked first (checksum, lengths, counts, size),
// then its producer's epoch and sequence. Batches are borrowed until Append
// returns and never written to: base offset, leader epoch and, where configured,
// the append time go into storage's own copy of the header. Nothing is appended
// if it fails.
func (l *Log) Append(batches []byte, o AppendOptions) (Ticket, error) { return Ticket{}, errSkeleton }

// Durable is the end of what survives a power cut, by the disk's policy.
func (l *Log) Durable() int64 { return 0 }

// WaitDurable waits until Durable() >= offset. It fails if ctx is done, the log
// is closed or truncated below offset, or the disk fails.
func (l *Log) WaitDurable(ctx context.Context, offset int64) error { return errSkeleton }

// OnDurable has f called after every rise of Durable, from the disk's commit loop:
// one call at a time, in order, several rises perhaps as one. f must not block nor
// call Close. There is one f; nil removes it. It is not called for what was
// durable before.
func (l *Log) OnDurable(f func(durable int64)) {}

// LogStart is the first offset that may be read.
func (l *Log) LogStart() int64 { return 0 }

// LogEnd is the offset that the next record gets.
func (l *Log) LogEnd() int64 { return 0 }

// Size is the number of bytes in all segments.
func (l *Log) Size() int64 { return 0 }

// Read returns whole batches from the one that holds offset on, all of whose
// offsets are below upTo, of maxBytes at most, but at least one batch. It is empty
// if there is none below upTo. The slice is the caller's, of exactly that size,
// and shared with nobody. An offset outside the log is ErrOffsetOutOfRange.
func (l *Log) Read(offset int64, maxBytes int, upTo int64) ([]byte, error) { return nil, errSkeleton }

// OffsetForTimestamp is the first record, below upTo, whose timestamp is at least
// that; ok is false if there is none.
func (l *Log) OffsetForTimestamp(timestampMs, upTo int64) (at TimestampOffset, ok bool, err error) {
	return TimestampOffset{}, false, errSkeleton
}

// MaxTimestamp is the record with the highest timestamp, the first of several; ok
// is false if the log is empty or without timestamps.
func (l *Log) MaxTimestamp() (at TimestampOffset, ok bool, err error) {
	return TimestampOffset{}, false, errSkeleton
}

// SetLeaderEpoch begins a leader epoch at the log's end, durably. An epoch that is
// not above the latest changes nothing.
func (l *Log) SetLeaderEpoch(epoch int32) error { return errSkeleton }

// LeaderEpoch is the latest epoch in the log, -1 if there is none.
func (l *Log) LeaderEpoch() int32 { return -1 }

// EpochAt is the leader epoch of the record at offset, -1 if it is not known.
func (l *Log) EpochAt(offset int64) int32 { return -1 }

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch in the log that is not
// above the one asked for, and where it ends. Both are -1 if the log has no such.
func (l *Log) EpochEnd(epoch int32) (found int32, end int64) { return -1, -1 }

// LastStable is the first offset of a transaction that is open, or whose marker is
// not below the high watermark; the high watermark if there is none.
func (l *Log) LastStable(highWatermark int64) int64 { return 0 }

// AbortedTransactions is every aborted transaction with data or marker in
// [from, to), ordered by first offset.
func (l *Log) AbortedTransactions(from, to int64) ([]AbortedTxn, error) { return nil, errSkeleton }

// Producer is what is known of one producer.
func (l *Log) Producer(id int64) (ProducerState, bool) { return ProducerState{}, false }

// Producers is what is known of all producers, ordered by id.
func (l *Log) Producers() []ProducerState { return nil }

// Truncate cuts the log so that it ends at offset to, or before it if to is within
// a batch. It is durable when it returns. What is above the end is no error.
func (l *Log) Truncate(to int64) error { return errSkeleton }

// Reset empties the log and lets it begin at offset at, durably.
func (l *Log) Reset(at int64) error { return errSkeleton }

// DeleteRecords raises the log's start to before, durably, and removes the
// segments that are wholly below it. before above the end is ErrOffsetOutOfRange;
// the caller bounds it by the high watermark.
func (l *Log) DeleteRecords(before int64) (logStart int64, err error) { return 0, errSkeleton }

// Retain removes whole segments that the configuration no longer wants, none that
// ends above upTo, the caller's high watermark, and begins a new segment where the
// last one is too old. It forgets expired producers. Call it now and then.
func (l *Log) Retain(now time.Time, upTo int64) error { return errSkeleton }

// SetConfig replaces the configuration.
func (l *Log) SetConfig(c Config) {}

// Verify reads the whole log and checks every batch. Damage puts the log out of
// service and is ErrCorrupt.
func (l *Log) Verify(ctx context.Context) error { return errSkeleton }

// Close makes everything durable, writes a checkpoint and closes the files. It may
// be called twice.
func (l *Log) Close() error { return errSkeleton }
