package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/core"
)

// Add is the input that puts partitions into a transaction, or asks whether they are
// in it. AddPartitionsToTxn, AddOffsetsToTxn, Produce from version 12 and
// TxnOffsetCommit from version 5 come as Adds. The core replies with an AddResult.
type Add struct {
	ID              uint64
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	Partitions      []TopicPartition
	// Version is the client's transaction version, 1 or 2.
	Version int16
	// VerifyOnly changes nothing. A partition that is not in the transaction is
	// TRANSACTION_ABORTABLE.
	VerifyOnly bool
}

// AddResult is one error code per partition of an Add, in order.
type AddResult []int16

// Began is installed when partitions have joined a transaction and that is
// committed. Ended is installed when the transaction is being decided; it may come
// before the Began of a late add, and comes again when the decision is committed.
type (
	Began struct {
		TransactionalID string
		ProducerID      int64
		ProducerEpoch   int16
		Partitions      []TopicPartition
	}
	Ended struct {
		TransactionalID string
		ProducerID      int64
	}
)

func (c *Core) add(in Add) {
	t := c.txns[in.TransactionalID]
	if err := mayAdd(t, in); err != nil {
		c.replyAdd(t, in, err)
		return
	}
	switch {
	case in.VerifyOnly:
		c.verify(t, in)
	case t.state.deciding():
		c.park(t, parkedRequest{add: &in})
	case len(in.Partitions) == 0, t.state == Ongoing && t.has(in.Partitions):
		c.replyAdd(t, in, nil)
	default:
		c.enlist(t, in)
	}
}

// mayAdd says why a producer may not touch the transactional id. While a transaction
// is being decided, the producer of the next one is expected, who may have another id
// already: to take it for a stranger is how a producer fenced itself when its epochs
// ran out (KAFKA-18660).
func mayAdd(t *transaction, in Add) error {
	if in.TransactionalID == "" {
		return kerr.InvalidRequest
	}
	if t == nil {
		return kerr.InvalidProducerIDMapping
	}
	pid, epoch := t.pid, t.epoch
	if t.state.deciding() {
		pid, epoch = t.after()
	}
	switch {
	case in.ProducerID == pid && in.ProducerEpoch == epoch:
		if in.VerifyOnly && t.state.deciding() {
			return kerr.ConcurrentTransactions
		}
		return nil
	case in.ProducerID == pid, in.ProducerID == t.pid:
		return kerr.ProducerFenced
	}
	return kerr.InvalidProducerIDMapping
}

// enlist adds the partitions and begins a transaction if there is none.
func (c *Core) enlist(t *transaction, in Add) {
	if t.state != Ongoing {
		t.state, t.startMs, t.partitions = Ongoing, c.wall(), nil
		c.timers.Set(timerKey{abortTimer, t.id}, c.now+time.Duration(t.timeoutMs)*time.Millisecond)
	}
	t.version = in.Version
	added := t.add(in.Partitions)
	c.write(t)
	c.out.AddAfter(t.token, core.Install{State: Began{t.id, t.pid, t.epoch, added}})
	c.replyAdd(t, in, nil)
}

func (c *Core) verify(t *transaction, in Add) {
	result := make(AddResult, len(in.Partitions))
	for i := range in.Partitions {
		if t.state != Ongoing || !t.has(in.Partitions[i:i+1]) {
			result[i] = kerr.TransactionAbortable.Code
		}
	}
	c.reply(t, in.ID, result)
}

func (c *Core) replyAdd(t *transaction, in Add, err error) {
	result := make(AddResult, len(in.Partitions))
	for i := range result {
		result[i] = code(err)
	}
	c.reply(t, in.ID, result)
}
