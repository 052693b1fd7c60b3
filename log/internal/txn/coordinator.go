// Package txn is the transaction coordinator (KIP-98, KIP-360, KIP-890): which
// transactional id has which producer id and epoch, which partitions are in its
// transaction, and how it ended.
//
// Core decides, on the partitions of __transaction_state that this node leads;
// Coordinator is the host around the cores that the broker calls:
//
//	resp, err := c.Handle(ctx, meta, req)  // InitProducerId, EndTxn, ...
//	release, err := c.Admit(ctx, write)    // before each transactional append
//
// It does not write data, and it writes markers only through coord.MarkerWriter.
package txn

import (
	"context"
	"log/slog"
	"sync"
	"time"

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
	// Topics gives the present metadata, to refuse partitions that do not exist; nil
	// takes every partition.
	Topics func() coord.Topics
	// Config is how transactions behave; its zero value is good.
	Config Config
	Logger *slog.Logger
}

// Coordinator serves the transactional ids whose partitions of __transaction_state
// this node leads. It may be used concurrently.
type Coordinator struct {
	opts    Options
	host    *coord.Host
	ids     *allocator
	ongoing *ongoing
	guards  *guards
	writer  *writer

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewCoordinator returns a Coordinator that leads nothing yet.
func NewCoordinator(o Options) *Coordinator {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Config.setDefaults()
	c := &Coordinator{opts: o, ids: newAllocator(o.ProducerIDs), ongoing: newOngoing(), guards: newGuards()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.writer = newWriter(c.ctx, o.Markers, c.guards, &c.wg, o.Logger)
	c.host = coord.NewHost(coord.HostOptions{
		Topic: coord.TransactionTopic, Driver: o.Driver, Logger: o.Logger,
		New: func(_, epoch int32, wall time.Time) coord.Replayable {
			return NewCore(o.Config, epoch, wall)
		},
		Send: c.send, Install: c.install, Reset: c.ongoing.reset,
	})
	return c
}

// Config is how transactions behave, with the defaults filled in.
func (c *Coordinator) Config() Config { return c.opts.Config }

// Elected says that this node leads a partition now, in leader epoch epoch. The
// partition is replayed in the background; requests wait a second for that and are
// then answered COORDINATOR_LOAD_IN_PROGRESS. Prepared transactions are then
// completed.
func (c *Coordinator) Elected(partition int32, epoch int32, log coord.Log) {
	c.host.Elected(partition, epoch, log)
}

// Resigned says that this node leads a partition no more. It returns when nothing is
// appended to its log any more.
func (c *Coordinator) Resigned(partition int32) { c.host.Resigned(partition) }

// Partition is the partition of __transaction_state that a transactional id belongs
// to; its leader is the id's coordinator.
func (c *Coordinator) Partition(transactionalID string) int32 {
	return coord.PartitionFor(transactionalID, c.opts.Partitions)
}

// Close stops every core and returns when no marker is being written any more. It may
// be called twice.
func (c *Coordinator) Close() {
	c.host.Close() // 1. no new sends
	c.cancel()     // 2. end those under way
	c.wg.Wait()
}

// idsPerCore is how many producer ids a core gets at a time.
const idsPerCore = 10

// send carries out a core's Send; on the driver's goroutine.
func (c *Coordinator) send(_ int32, s core.Send, answer func(core.Input)) {
	switch m := s.Message.(type) {
	case Markers:
		c.writer.put(m, answer)
	case WantProducerIDs:
		c.wg.Go(func() {
			first, n, err := c.ids.take(c.ctx, idsPerCore)
			if err != nil {
				c.opts.Logger.Warn("no producer ids", "error", err)
			}
			answer(ProducerIDs{First: first, N: n, Err: err})
		})
	}
}

func (c *Coordinator) install(partition int32, i core.Install) {
	switch s := i.State.(type) {
	case Began:
		c.ongoing.began(partition, s)
	case Ended:
		c.ongoing.ended(s)
	}
}

// Abort aborts the ongoing transaction of a transactional id whose producer is gone or
// stuck, and fences that producer. It returns when the abort is decided; the error is
// a *kerr.Error, or ctx's.
func (c *Coordinator) Abort(ctx context.Context, transactionalID string) error {
	r, err := c.host.Call(ctx, c.Partition(transactionalID), func(id uint64) core.Input {
		return Abort{ID: id, TransactionalID: transactionalID}
	})
	if err != nil {
		if k := coord.KafkaError(err); k != nil {
			return k
		}
		return err
	}
	err, _ = r.(error)
	return err
}

// call gives a request to the core of a transactional id.
func (c *Coordinator) call(ctx context.Context, partition int32, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	req, err := coord.Own(req)
	if err != nil {
		return nil, err
	}
	r, err := c.host.Call(ctx, partition, func(id uint64) core.Input {
		return coord.Request{ID: id, Meta: meta, Body: req}
	})
	if err != nil {
		return nil, err
	}
	return r.(kmsg.Response), nil
}
