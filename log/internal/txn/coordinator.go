// Package txn is the transaction coordinator (KIP-98, KIP-360, KIP-890).
package txn

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Options say what a Coordinator stands on.
type Options struct {
	// Partitions is the number of partitions of __transaction_state, for ever.
	Partitions int32
	// OffsetsPartitions is the number of partitions of __consumer_offsets, for ever.
	OffsetsPartitions int32
	// Driver runs the cores.
	Driver *core.Driver
	// ProducerIDs allocates a block of producer ids: those from first on, n of them,
	// belong to this node alone.
	ProducerIDs func(ctx context.Context) (first int64, n int64, err error)
	// Markers writes the ends of transactions.
	Markers coord.MarkerWriter
	// Config is how transactions behave; its zero value is good.
	Config Config
	Logger *slog.Logger
}

// Config is how transactions behave. The zero value means the defaults.
type Config struct{}

// Coordinator serves the transactional ids whose partitions of __transaction_state
// this node leads. It may be used concurrently.
type Coordinator struct{}

// NewCoordinator returns a Coordinator that leads nothing yet.
func NewCoordinator(o Options) *Coordinator { return &Coordinator{} }

// Elected says that this node leads a partition now, in leader epoch epoch. The
// partition is replayed in the background; until then its transactional ids are
// answered COORDINATOR_LOAD_IN_PROGRESS. Prepared transactions are then completed.
func (c *Coordinator) Elected(partition int32, epoch int32, log coord.Log) {}

// Resigned says that this node leads a partition no more. It returns when nothing is
// appended to its log any more.
func (c *Coordinator) Resigned(partition int32) {}

// Partition is the partition of __transaction_state that a transactional id belongs
// to; its leader is the id's coordinator.
func (c *Coordinator) Partition(transactionalID string) int32 { return 0 }

// Handle serves InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn,
// DescribeTransactions and ListTransactions. An error means that ctx has ended or
// the coordinator was closed; everything else is an error code in the response.
func (c *Coordinator) Handle(ctx context.Context, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	return nil, nil
}

// Write is a transactional append that a broker is about to do.
type Write struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	Topic           string
	Partition       int32
	// Version is 2 if the request implies adding the partition (Produce from version
	// 12, TxnOffsetCommit from 5), else 1.
	Version int16
}

// Admit must be asked before each transactional append. In version 2 it adds the
// partition to the transaction and returns when that is durable, at once if the
// partition is already in it. In version 1 it refuses a partition that the client
// has not added. The caller appends, then calls release, without waiting for the
// append to be durable; until then no marker of version 1 is written to the
// partition. The error is a *kerr.Error, or ctx's.
func (c *Coordinator) Admit(ctx context.Context, w Write) (release func(), err error) {
	return func() {}, nil
}

// Close stops every core. It may be called twice.
func (c *Coordinator) Close() {}
