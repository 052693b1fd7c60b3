package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errMustAbort: the coordinator refuses to commit and waits for the abort.
var errMustAbort = fmt.Errorf("the coordinator refuses to commit: %w", ErrAbortable)

// transactionVersion asks which transaction protocol is in effect.
func (c *Client) transactionVersion(ctx context.Context) (int, error) {
	for b := (backoff{}); ; {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "millrace", "1"
		resp, err := req.RequestWith(ctx, c.cluster)
		if err == nil {
			err = brokerError(resp.ErrorCode, nil, "ask for versions")
		}
		if err == nil {
			return transactionVersion(resp), nil
		}
		if !transient(ctx, err) {
			return 0, err
		}
		if werr := b.wait(ctx); werr != nil {
			return 0, fmt.Errorf("%w (last: %w)", werr, err)
		}
	}
}

// initProducerID asks for a producer id, of a transactional id if that is not
// nil. It is repeated until the answer is definite.
func (c *Client) initProducerID(ctx context.Context, txnID *string, timeout time.Duration) (identity, error) {
	what := "ask for a producer id"
	if txnID != nil {
		what = "initialise transactional id " + *txnID
	}
	for b := (backoff{}); ; {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = txnID, int32(timeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := req.RequestWith(ctx, c.cluster)
		if err == nil {
			err = brokerError(resp.ErrorCode, nil, "%s", what)
		} else {
			err = fmt.Errorf("%s: %w", what, err)
		}
		if err == nil {
			return identity{resp.ProducerID, resp.ProducerEpoch}, nil
		}
		if !transient(ctx, err) {
			return identity{-1, -1}, err
		}
		if werr := b.wait(ctx); werr != nil {
			return identity{-1, -1}, fmt.Errorf("%w (last: %w)", werr, err)
		}
		if b.n == warnAfter {
			c.logger.Warn("no producer id yet, still trying", "what", what, "cause", err)
		}
	}
}

// endTxn repeats one EndTxn until the answer is definite, and returns the
// identity of the next transaction.
func (p *TxnProducer) endTxn(ctx context.Context, commit bool) (identity, error) {
	id := p.a.identity()
	next := id
	err := p.repeat(ctx, func() error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.o.TransactionalID, id.id, id.epoch, commit
		resp, err := req.RequestWith(ctx, p.c.cluster)
		if err != nil {
			return err
		}
		if resp.ErrorCode == kerr.TransactionAbortable.Code {
			return errMustAbort
		}
		if err := brokerError(resp.ErrorCode, nil, "end transaction"); err != nil {
			return err
		}
		if resp.Version >= endTxnV2 && resp.ProducerID >= 0 {
			next = identity{resp.ProducerID, resp.ProducerEpoch}
		}
		return nil
	})
	return next, err
}

// addOffsets adds a group to a transaction of version 1.
func (p *TxnProducer) addOffsets(ctx context.Context, group string) error {
	id := p.a.identity()
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.o.TransactionalID, id.id, id.epoch, group
	resp, err := req.RequestWith(ctx, p.c.cluster)
	if err != nil {
		return err
	}
	return brokerError(resp.ErrorCode, nil, "add the group to the transaction")
}

func (p *TxnProducer) sendOffsets(ctx context.Context, g GroupMeta, offsets map[TopicPartition]Committed) error {
	id := p.a.identity()
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.o.TransactionalID, id.id, id.epoch
	req.Group, req.Generation, req.MemberID, req.InstanceID = g.Group, g.Generation, g.Member, optional(g.Instance)
	for topic, parts := range byTopic(keys(offsets)) {
		topicID, err := p.c.topicID(ctx, topic)
		if err != nil {
			return err
		}
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, topicID
		for _, n := range parts {
			o := offsets[TopicPartition{topic, n}]
			tp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			tp.Partition, tp.Offset, tp.LeaderEpoch, tp.Metadata = n, o.Offset, o.LeaderEpoch, &o.Metadata
			t.Partitions = append(t.Partitions, tp)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, p.c.cluster)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, tp := range t.Partitions {
			if err := brokerError(tp.ErrorCode, nil, "%s/%d", t.Topic, tp.Partition); err != nil {
				return err
			}
		}
	}
	return nil
}

// addPartitionsToTxn adds partitions to a transaction of version 1, in the shape
// that clients use up to version 3 of the request.
func (c *Client) addPartitionsToTxn(ctx context.Context, txnID string, id identity, queues []*queue) error {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = txnID, id.id, id.epoch
	at := map[string]int{}
	for _, q := range queues {
		i, ok := at[q.tp.Topic]
		if !ok {
			i = len(req.Topics)
			at[q.tp.Topic] = i
			t := kmsg.NewAddPartitionsToTxnRequestTopic()
			t.Topic = q.tp.Topic
			req.Topics = append(req.Topics, t)
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, q.tp.Partition)
	}
	resp, err := req.RequestWith(ctx, c.cluster)
	if err != nil {
		return err
	}
	if err := brokerError(resp.ErrorCode, nil, "add partitions to the transaction"); err != nil {
		return err
	}
	return worst(resp)
}

// worst is the most serious of the partitions' errors: partitions that are fine
// are refused as "not attempted" when another one is not.
func worst(resp *kmsg.AddPartitionsToTxnResponse) error {
	var found error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			err := brokerError(p.ErrorCode, nil, "add %s/%d to the transaction", t.Topic, p.Partition)
			if err == nil {
				continue
			}
			if found == nil || errors.Is(found, kerr.OperationNotAttempted) || errors.Is(found, ErrRetriable) {
				found = err
			}
		}
	}
	return found
}
