// Package connectors is the contract between Millrace and the outside: how a
// source is read in splits from positions, how a sink makes an epoch's rows
// visible exactly once (or says that it cannot), and how both are found.
//
// A connector is one folder that registers a SourceSpec, a SinkSpec or both.
package connectors

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// Errors that the engine branches on. Everything else stops the pipeline.
var (
	// ErrTransient: try again with backoff.
	ErrTransient = errors.New("transient")
	// ErrOutOfRange: the position is no longer there (retention overtook it).
	ErrOutOfRange = errors.New("position out of range")
)

// ---- sources ----

// SourceSpec declares a source verb. The common keys format, schema and
// event_time are the dsl's; the rest stands in Fields.
type SourceSpec struct {
	Name    string
	Summary string
	Doc     string
	Fields  []spec.Field
	Formats []string // the formats it reads; nil means it makes rows itself and has no `format`
	Default string   // the default format
	Example string
	// Plan checks the configuration; no effects. Faults are *spec.Error.
	Plan func(SourceInput) (*SourcePlan, error)
}

// SourceInput is what a source's Plan may look at.
type SourceInput struct {
	Name   string
	Config spec.Config
	Format Format           // the zero Format if Formats is nil
	Schema *columnar.Schema // what the pipeline declares; nil if it declares none
}

// Format is a codec with its options, as the common key `format` gives it.
type Format struct {
	Name   string
	Config spec.Config
}

// SourcePlan is a checked source.
type SourcePlan struct {
	Schema *columnar.Schema // of the rows
	// Bounded says that every split ends by itself.
	Bounded bool
	// Topic is the topic that is read, if this is a log source: positions are then
	// log offsets, and the engine commits them with the group.
	Topic string
	// New makes the source. want lists the columns that are read downstream (nil:
	// all); the others may be left out of decoding, and are null columns then.
	New func(env Env, want []string) (Source, error)
}

// Env is what a connector may use of its worker.
type Env struct {
	Pipeline string
	Node     string
	Cluster  client.Cluster // the log
	// Dir is what relative paths are relative to: the working directory of the
	// command, unless the pipeline runs on a server.
	Dir string
	// Stdout is where the stdout sink prints; never closed by a connector.
	Stdout interface{ Write([]byte) (int, error) }
}

// Source finds splits and opens them.
type Source interface {
	// Splits lists what there is to read. The engine calls it at the start and
	// from time to time; a split keeps its ID for ever.
	Splits(ctx context.Context) ([]Split, error)
	// Open reads a split from pos; nil means from where the configuration says a
	// new pipeline starts.
	Open(ctx context.Context, s Split, pos []byte) (Reader, error)
	Close() error
}

// Split is one ordered part of a source: a topic's partition, a file.
type Split struct {
	ID        string // unique within the source
	Partition int32  // index for tie breaks; for a log source the partition
	// TopicID is the id of a log source's topic, by which the engine tells a topic
	// from another that has its name now; zero if the cluster has no topic ids.
	TopicID [16]byte
}

// Reader reads one split in order. One goroutine at a time calls it.
type Reader interface {
	// Read waits for rows, ctx or its own linger (at most 100 ms), whichever is
	// first. The result is lent until the next call. io.EOF (with no rows) is the
	// end of a bounded split. Reading again after an error starts at the same row.
	Read(ctx context.Context) (*Read, error)
	// Committed says that everything before pos is durable downstream. Repeatable;
	// may be skipped.
	Committed(ctx context.Context, pos []byte) error
	Close() error
}

// Read is the result of one Reader.Read.
type Read struct {
	// Batch holds the rows that decoded; Rows may be 0. Batch.Pos.Offset is always
	// set here. EventTime and Before are the engine's to fill.
	Batch *columnar.Batch
	// Errors are the rows that did not decode, by ascending offset.
	Errors []DecodeError
	// Next is the position after everything in this result. For a log source it is
	// the next offset, 8 bytes big endian.
	Next []byte
	// Timestamps are the records' own timestamps (log append or create time,
	// microseconds), Batch.Rows long, or nil if the source has none.
	Timestamps []int64
	// AtEnd says that the position equals the end of the log as the last fetch saw
	// it; what idleness is measured by. False if unknown.
	AtEnd bool
}

// DecodeError is one input record that is not a row.
type DecodeError struct {
	Offset int64
	Raw    []byte // the record's bytes, lent
	Key    []byte // a log record's key, lent
	Err    error
}

// ---- sinks ----

// Guarantee is what a sink promises under crashes.
type Guarantee uint8

// The guarantees, strongest first.
const (
	// ExactlyOnce: part of the epoch's transaction, or staged and committed by it.
	ExactlyOnce Guarantee = iota
	// AtLeastOnce: a crash may repeat the last epoch's rows.
	AtLeastOnce
	// AtMostOnce: a crash may lose the last epoch's rows.
	AtMostOnce
)

func (g Guarantee) String() string {
	return [...]string{"exactly once", "at least once", "at most once"}[g]
}

// SinkSpec declares a sink verb. The common keys key and format are the dsl's.
type SinkSpec struct {
	Name    string
	Summary string
	Doc     string
	Fields  []spec.Field
	Formats []string
	Default string
	Example string
	Plan    func(SinkInput) (*SinkPlan, error)
}

// SinkInput is what a sink's Plan may look at.
type SinkInput struct {
	Name   string
	Config spec.Config
	Format Format
	Schema *columnar.Schema // of the rows that arrive
	Key    []spec.Value     // the common key `key`: column names, checked to exist
}

// SinkPlan is a checked sink. Exactly one of Log, Staged and AfterCommit is set.
type SinkPlan struct {
	Guarantee Guarantee
	Topic     string // of a log sink, for explain and for creating the topic

	// Log makes a sink whose rows go into the epoch's transaction.
	Log func(Env) (LogSink, error)
	// Staged makes a sink with prepare and commit.
	Staged func(Env) (StagedSink, error)
	// AfterCommit makes a sink that acts once the epoch is committed.
	AfterCommit func(Env) (AfterCommitSink, error)
}

// LogSink turns rows into records of the epoch's transaction.
type LogSink interface {
	// Write encodes the batch's rows and appends them to out. Rows that cannot be
	// encoded are reported through rowError and left out.
	Write(b *columnar.Batch, out LogWriter, rowError func(row int32, err error)) error
	Close() error
}

// LogWriter is the epoch's open transaction.
type LogWriter interface {
	// Partitions is the number of partitions of a topic (created if need be).
	Partitions(topic string) (int32, error)
	// Append adds one record. key and value are copied. timestampMs is the record's
	// timestamp. key nil means no key.
	Append(topic string, partition int32, timestampMs int64, key, value []byte) error
}

// StagedSink makes rows durable but invisible, and visible once the epoch's
// transaction has committed. Commit and Recover may be called again with the
// same handles after a crash and must then do nothing more.
type StagedSink interface {
	Write(b *columnar.Batch, rowError func(row int32, err error)) error
	// Prepare makes everything written since the last Prepare durable. The handle
	// is stored in the epoch's transaction; nil means that there is nothing.
	Prepare(ctx context.Context, epoch uint64) (handle []byte, err error)
	// Commit makes the handle's rows visible.
	Commit(ctx context.Context, handle []byte) error
	// Recover is called before the first Write of a life and after every abort,
	// with the handle of the last committed epoch (nil if there never was one): it
	// commits that and removes whatever is beyond it.
	Recover(ctx context.Context, last []byte) error
	Close() error
}

// AfterCommitSink acts on rows after their epoch has committed. Nothing keeps
// them for it: a crash between the commit and the act loses them.
type AfterCommitSink interface {
	// Write keeps a copy of the rows, encoded.
	Write(b *columnar.Batch, rowError func(row int32, err error)) error
	// Committed delivers what was written since the last Committed or Aborted.
	Committed(ctx context.Context) error
	// Aborted forgets it.
	Aborted()
	Close() error
}

// Linger is the longest that Reader.Read waits without rows.
const Linger = 100 * time.Millisecond
