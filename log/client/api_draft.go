package client

import (
	"context"
	"log/slog"
	"time"
)

// Isolation says which records a fetch sees.
type Isolation int8

// The isolation levels.
const (
	ReadUncommitted Isolation = 0
	ReadCommitted   Isolation = 1
)

// FetcherOptions: the zero value reads uncommitted with 64 MiB of prefetch.
type FetcherOptions struct {
	Isolation         Isolation
	MaxWait           time.Duration // long poll; default 100 ms
	PartitionMaxBytes int32         // of one partition in one response; default 1 MiB
	MaxBytes          int32         // of one response; default 16 MiB
	BufferBytes       int64         // fetched and not yet taken, over all cursors; default 64 MiB
	DecompressBytes   int64         // the most that one batch may expand to; default 64 MiB
}

// Fetcher reads many partitions; one Cursor each.
type Fetcher struct{}

// NewFetcher makes a fetcher. Close it.
func (c *Client) NewFetcher(o FetcherOptions) *Fetcher { panic("draft") }

// Open starts to read a partition at an offset. A second Cursor of the same partition is independent.
func (f *Fetcher) Open(tp TopicPartition, offset int64) *Cursor { panic("draft") }

// Next waits for the next data of any cursor.
func (f *Fetcher) Next(ctx context.Context) (*Cursor, *Fetched, error) { panic("draft") }

// Close ends all cursors and waits for requests in flight.
func (f *Fetcher) Close() error { panic("draft") }

// Cursor is a position in one partition. One goroutine at a time calls Next.
type Cursor struct{ Partition TopicPartition }

// Next waits for the next part of the partition or ctx. Results may hold no
// records: the position has passed markers or aborted records, or a fetch has
// seen the end. An error other than ctx's ends the cursor:
// *OffsetOutOfRangeError, ErrTopicRecreated, ErrUnknownTopic, a corrupt batch, no right to read.
func (c *Cursor) Next(ctx context.Context) (*Fetched, error) { panic("draft") }

// AtEnd says whether everything up to the high watermark has been taken, as the last fetch
// saw it; false when fetches fail.
func (c *Cursor) AtEnd() bool { panic("draft") }

// Position is the offset after everything that Next has returned.
func (c *Cursor) Position() int64 { panic("draft") }

// SeekTo drops what is buffered and goes on at offset. Not beside Next.
func (c *Cursor) SeekTo(offset int64) { panic("draft") }

// Pause stops fetching this partition; what is buffered stays.
func (c *Cursor) Pause() { panic("draft") }

// Resume ends Pause.
func (c *Cursor) Resume() { panic("draft") }

// Close ends the cursor.
func (c *Cursor) Close() { panic("draft") }

// Fetched is a stretch of one partition. It is immutable and may be kept.
type Fetched struct {
	Partition     TopicPartition
	From          int64    // records below are to be skipped (Records does)
	Next          int64    // the position after everything here
	Batches       [][]byte // record batches v2, checked, maybe compressed; no control or aborted ones
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	AtEnd         bool // Next is the high watermark
	Bytes         int
}

// Records iterates over the records of a Fetched without allocating per record.
// The zero value is ready; it keeps its buffers from Reset to Reset.
//
//	for it.Reset(f); it.Next(); { it.Offset, it.Value ... }
//	if it.Err() != nil ...
type Records struct {
	Offset      int64
	TimestampMs int64
	Key         []byte // nil: none. Lent until the next batch is entered, i.e. copy to keep
	Value       []byte
}

// Reset starts over with f.
func (r *Records) Reset(f *Fetched) { panic("draft") }

// Next moves to the next record.
func (r *Records) Next() bool { panic("draft") }

// Err is why Next returned false, nil at the end.
func (r *Records) Err() error { panic("draft") }

// Headers decodes the current record's headers; allocates.
func (r *Records) Headers() []Header { panic("draft") }

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// ProducerOptions: the zero value makes batches of 1 MiB, uncompressed.
type ProducerOptions struct {
	BatchBytes  int    // a batch is sent in the background once it is this large; default 1 MiB less a margin
	BufferBytes int64  // Append waits when this much is not acknowledged; default 64 MiB
	Compression string // "", "gzip", "snappy", "lz4", "zstd"
	Logger      *slog.Logger
}

// Producer is an idempotent producer (acks=all). Append may be called
// concurrently; full batches leave in the background, one Produce in flight per broker.
type Producer struct{}

// NewProducer makes a producer; it asks for its producer id with the first batch. Close it.
func (c *Client) NewProducer(o ProducerOptions) *Producer { panic("draft") }

// Partitions is the number of partitions of a topic.
func (p *Producer) Partitions(ctx context.Context, topic string) (int32, error) { panic("draft") }

// Append adds a record, copying key and value (nil: null). It blocks while BufferBytes are unacknowledged.
func (p *Producer) Append(topic string, partition int32, timestampMs int64, key, value []byte, headers ...Header) error {
	panic("draft")
}

// Flush sends everything and waits for all acknowledgements; the first error is kept and returned by all later calls.
func (p *Producer) Flush(ctx context.Context) error { panic("draft") }

// Unacknowledged is the number of bytes appended and not acknowledged.
func (p *Producer) Unacknowledged() int64 { panic("draft") }

// Close gives up what is not acknowledged and waits for requests in flight.
func (p *Producer) Close() error { panic("draft") }

// TxnOptions are a TxnProducer's.
type TxnOptions struct {
	TransactionalID string
	Timeout         time.Duration // after which the coordinator aborts; default 60 s
	ProducerOptions
}

// TxnProducer writes transactions. Append may be called concurrently; Init,
// Flush, CommitOffsets and End by one goroutine at a time, End not beside Append.
type TxnProducer struct{}

// NewTxnProducer makes a transactional producer. Init it before use; Close it.
func (c *Client) NewTxnProducer(o TxnOptions) *TxnProducer { panic("draft") }

// Init takes the transactional id over: it settles what an earlier life left open, fences
// that life, and clears every error of this one.
func (p *TxnProducer) Init(ctx context.Context) error { panic("draft") }

// Version is the transaction protocol in use, 1 or 2 (KIP-890), known after Init.
func (p *TxnProducer) Version() int { panic("draft") }

// Partitions is the number of partitions of a topic.
func (p *TxnProducer) Partitions(ctx context.Context, topic string) (int32, error) { panic("draft") }

// Append adds a record to the open transaction, opening one if there is none. key and value are copied. It
// blocks while BufferBytes are unacknowledged.
func (p *TxnProducer) Append(topic string, partition int32, timestampMs int64, key, value []byte, headers ...Header) error {
	panic("draft")
}

// Unacknowledged is the number of bytes appended and not acknowledged.
func (p *TxnProducer) Unacknowledged() int64 { panic("draft") }

// Flush sends everything and waits for all acknowledgements. After an error only End(ctx, false) or Init help.
func (p *TxnProducer) Flush(ctx context.Context) error { panic("draft") }

// CommitOffsets adds a group's offsets to the open transaction (opening one). ErrGeneration: the member no longer owns them; abort and rejoin.
func (p *TxnProducer) CommitOffsets(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	panic("draft")
}

// End commits (after Flush) or aborts the open transaction; without one it does
// nothing. nil: it is committed (or aborted), definitely. It repeats the same EndTxn until the answer is definite.
//   - ErrAborted (asked to commit): it is aborted, definitely.
//   - ErrFenced: another producer took the id over, or the coordinator aborted it by timeout.
//   - ErrUnknownOutcome: ctx ended first.
//
// After every error but ErrAborted: Init, then FetchOffsets with requireStable, then decide.
func (p *TxnProducer) End(ctx context.Context, commit bool) error { panic("draft") }

// Close gives up what is open (the next Init or the coordinator's timeout aborts it) and waits for requests in flight.
func (p *TxnProducer) Close() error { panic("draft") }

