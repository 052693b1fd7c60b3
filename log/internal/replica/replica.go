// Package replica is the leader's side of partitions: it orders what is appended,
// says when it is committed, and shows readers what is, and nothing else.
//
//	manager, err := replica.Open(ctx, replica.Options{Disk: disk, Meta: m, ...})
//	p, err := manager.Partition(topicID, 0)
//	result, err := p.Append(ctx, batches, replica.AppendOptions{Acks: replica.AcksAll, LeaderEpoch: -1})
//	r, err := p.Fetch(offset, 1<<20, replica.ReadCommitted, true)
//
// A Manager keeps open the partitions that this node leads, as the metadata says:
// it creates and deletes them when the image changes, and does not lead one before
// its leader epoch was raised for this life of the process. Bytes and files are
// package storage's; who may do what is decided before it comes here.
package replica

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
	FromClient      Origin = iota // a producer: no control batches
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

// FetchResult is what a reader gets.
type FetchResult struct {
	// Batches are whole record batches; the first may begin below the offset asked
	// for. They are the caller's, and may be shared with others: never written to.
	Batches                             []byte
	HighWatermark, LastStable, LogStart int64
	// Aborted, for ReadCommitted, are the aborted transactions that reach into
	// Batches, by first offset.
	Aborted []AbortedTransaction
}

// AbortedTransaction is one whose records, from FirstOffset to the producer's abort
// marker, a reader of committed data leaves out.
type AbortedTransaction struct{ ProducerID, FirstOffset int64 }
