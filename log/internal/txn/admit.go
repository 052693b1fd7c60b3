package txn

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

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
// has not added (TRANSACTION_ABORTABLE). The caller appends, then calls release,
// without waiting for the append to be durable; until then no marker of version 1 is
// written to the partition. The error is a *kerr.Error, or ctx's.
func (c *Coordinator) Admit(ctx context.Context, w Write) (release func(), err error) {
	release = func() {}
	p := TopicPartition{w.Topic, w.Partition}
	if w.Version < 2 {
		k := guardKey{w.ProducerID, p}
		c.guards.enter(k)
		release = func() { c.guards.leave(k) }
	}
	if c.ongoing.has(&w) {
		return release, nil
	}
	codes, err := c.add(ctx, Add{TransactionalID: w.TransactionalID, ProducerID: w.ProducerID,
		ProducerEpoch: w.ProducerEpoch, Partitions: []TopicPartition{p}, Version: w.Version, VerifyOnly: w.Version < 2})
	if err == nil {
		err = kerr.ErrorForCode(codes[0])
	}
	if err != nil {
		release()
		return func() {}, err
	}
	return release, nil
}

// add gives partitions to the transaction's core.
func (c *Coordinator) add(ctx context.Context, in Add) (AddResult, error) {
	r, err := c.host.Call(ctx, c.Partition(in.TransactionalID), func(id uint64) core.Input {
		in.ID = id
		return in
	})
	if err != nil {
		if k := coord.KafkaError(err); k != nil {
			return nil, k
		}
		return nil, err
	}
	return r.(AddResult), nil
}
