// Package replica is the leader's side of partitions: it orders what is appended,
// says when it is committed, and shows readers what is, and nothing else.
package replica

import (
	"context"
	"log/slog"

	"github.com/millrace/millrace/log/internal/meta"
)

// Isolation is what a reader may see.
type Isolation int8

// The isolation levels, numbered as in Fetch and ListOffsets.
const (
	ReadUncommitted Isolation = 0 // up to the high watermark
	ReadCommitted   Isolation = 1 // up to the last stable offset
)

// Acks says when an append is acknowledged, numbered as in Produce.
type Acks int16

// The acknowledgements.
const (
	AcksNone   Acks = 0  // as soon as it is ordered
	AcksLeader Acks = 1  // when it is durable here
	AcksAll    Acks = -1 // when it is committed: the high watermark has passed it
)

// Origin says who appends, and so what is checked.
type Origin int8

// The origins.
const (
	FromClient      Origin = iota // a producer: no control batches, producer state checked
	FromCoordinator               // state records and transaction markers
)

// AppendOptions say how a batch is appended.
type AppendOptions struct {
	Origin Origin
	Acks   Acks
	// LeaderEpoch, if not -1, must be the partition's.
	LeaderEpoch int32
}

// Result is where an append went.
type Result struct {
	BaseOffset, LastOffset int64
	// AppendTimeMs is the log append time, or -1 if records keep their own.
	AppendTimeMs int64
	LogStart     int64
	// Duplicate means that the same batch was there already, at BaseOffset.
	Duplicate bool
}

// Pending is an append that is ordered and waits for its acknowledgement.
type Pending struct{}

// Wait returns when the append is acknowledged. If ctx ends first, or the partition
// loses its leadership, it may still happen.
func (p *Pending) Wait(ctx context.Context) (Result, error) { panic("unfinished") }

// Partition is one partition that this node leads. It may be used concurrently.
type Partition struct{}

// TopicID, Index, LeaderEpoch name it.
func (p *Partition) TopicID() meta.ID   { panic("unfinished") }
func (p *Partition) Topic() string      { panic("unfinished") }
func (p *Partition) Index() int32       { panic("unfinished") }
func (p *Partition) LeaderEpoch() int32 { panic("unfinished") }

// Start appends whole record batches. It blocks for the write but not for the
// sync; ctx bounds the wait for other writers.
func (p *Partition) Start(ctx context.Context, batches []byte, o AppendOptions) (*Pending, error) {
	panic("unfinished")
}

// Append is Start and Wait.
func (p *Partition) Append(ctx context.Context, batches []byte, o AppendOptions) (Result, error) {
	panic("unfinished")
}

// Enqueue appends in the order of the calls, never blocks and calls done once, from any goroutine.
func (p *Partition) Enqueue(batches []byte, o AppendOptions, done func(Result, error)) {
	panic("unfinished")
}

// FetchResult is what a reader gets.
type FetchResult struct {
	// Batches are whole record batches; the first may begin below the offset asked for.
	Batches                             []byte
	HighWatermark, LastStable, LogStart int64
	// Aborted, for ReadCommitted, are the aborted transactions that reach into Batches.
	Aborted []AbortedTransaction
}

// AbortedTransaction is a range that a reader of committed data must leave out.
type AbortedTransaction struct{ ProducerID, FirstOffset int64 }

// Fetch reads from offset, at most maxBytes, but at least one batch if atLeastOne.
func (p *Partition) Fetch(offset int64, maxBytes int, iso Isolation, atLeastOne bool) (FetchResult, error) {
	panic("unfinished")
}

// Watch calls f once, when the end visible under iso is above offset or the partition is not led any more. f must not block.
func (p *Partition) Watch(offset int64, iso Isolation, f func()) *Watch { panic("unfinished") }

// Watch is a registered callback.
type Watch struct{}

// Stop takes the callback back; it may run concurrently one last time.
func (w *Watch) Stop() { panic("unfinished") }

func (p *Partition) HighWatermark() int64 { panic("unfinished") }
func (p *Partition) LastStable() int64    { panic("unfinished") }
func (p *Partition) LogStart() int64      { panic("unfinished") }
func (p *Partition) LogEnd() int64        { panic("unfinished") }

// WaitCommitted returns when the high watermark has reached offset.
func (p *Partition) WaitCommitted(ctx context.Context, offset int64) error { panic("unfinished") }

// OffsetForEpoch is the end offset of the largest epoch <= epoch (OffsetForLeaderEpoch).
func (p *Partition) OffsetForEpoch(epoch int32) (foundEpoch int32, endOffset int64) {
	panic("unfinished")
}

// OffsetForTimestamp is the first record at or after ts that iso sees; offset -1 if none.
func (p *Partition) OffsetForTimestamp(ts int64, iso Isolation) (offset, timestamp int64, err error) {
	panic("unfinished")
}

// MaxTimestamp is the record with the largest timestamp.
func (p *Partition) MaxTimestamp() (offset, timestamp int64, err error) { panic("unfinished") }

// DeleteRecords moves the log start to before (-1: the high watermark) and returns the new one.
func (p *Partition) DeleteRecords(before int64) (int64, error) { panic("unfinished") }

// ManagerOptions: see Open.
type ManagerOptions struct {
	Meta   *meta.Meta
	NodeID int32
	Logger *slog.Logger
}

// Manager keeps the partitions that this node leads open, as the metadata says.
type Manager struct{}

// Open registers the node (raising leader epochs) and opens its partitions.
func Open(ctx context.Context, o ManagerOptions) (*Manager, error) { panic("unfinished") }

// Partition is a partition that this node leads; a *meta.Refusal (UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, ...) if not.
func (m *Manager) Partition(topic meta.ID, index int32) (*Partition, error) { panic("unfinished") }

// PartitionByName is Partition for those who only have a name.
func (m *Manager) PartitionByName(topic string, index int32) (*Partition, error) {
	panic("unfinished")
}

// Sync returns when the partitions are as the image at index says.
func (m *Manager) Sync(ctx context.Context, index uint64) error { panic("unfinished") }

// Broker is this node's registration, with its epoch.
func (m *Manager) Broker() *meta.Broker { panic("unfinished") }

// Close closes all partitions: waiting appends and watches end, logs get their clean-shutdown mark.
func (m *Manager) Close(ctx context.Context) error { panic("unfinished") }
