package txn

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// AddPartitionsToTxn, versions 0-5. 2: PRODUCER_FENCED is an error of its own. 4:
// several transactions in one request, with the option to verify only; brokers send
// it on behalf of producers (KIP-890). 5: TRANSACTION_ABORTABLE.

const addPartitionsKey = 24

func (c *Coordinator) addPartitions(ctx context.Context, req *kmsg.AddPartitionsToTxnRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	if req.Version < 4 {
		resp.Topics = []kmsg.AddPartitionsToTxnResponseTopic{}
		add := Add{TransactionalID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Version: 1}
		for _, t := range req.Topics {
			add.Partitions = appendPartitions(add.Partitions, t.Topic, t.Partitions)
		}
		codes, err := c.addKnown(ctx, add, req.Version)
		if err != nil {
			return nil, err
		}
		for _, t := range req.Topics {
			rt := kmsg.NewAddPartitionsToTxnResponseTopic()
			rt.Topic, rt.Partitions = t.Topic, partitionResults(t.Partitions, codes)
			resp.Topics = append(resp.Topics, rt)
			codes = codes[len(t.Partitions):]
		}
		return resp, nil
	}
	resp.Transactions = []kmsg.AddPartitionsToTxnResponseTransaction{}
	for _, txn := range req.Transactions {
		rt, err := c.addTransaction(ctx, txn, req.Version)
		if err != nil {
			return nil, err
		}
		resp.Transactions = append(resp.Transactions, rt)
	}
	return resp, nil
}

func (c *Coordinator) addTransaction(ctx context.Context, txn kmsg.AddPartitionsToTxnRequestTransaction, version int16) (kmsg.AddPartitionsToTxnResponseTransaction, error) {
	add := Add{TransactionalID: txn.TransactionalID, ProducerID: txn.ProducerID,
		ProducerEpoch: txn.ProducerEpoch, Version: 2, VerifyOnly: txn.VerifyOnly}
	for _, t := range txn.Topics {
		add.Partitions = appendPartitions(add.Partitions, t.Topic, t.Partitions)
	}
	out := kmsg.NewAddPartitionsToTxnResponseTransaction()
	out.TransactionalID, out.Topics = txn.TransactionalID, []kmsg.AddPartitionsToTxnResponseTransactionTopic{}
	codes, err := c.addKnown(ctx, add, version)
	if err != nil {
		return out, err
	}
	for _, t := range txn.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		rt.Topic, rt.Partitions = t.Topic, transactionResults(t.Partitions, codes)
		out.Topics = append(out.Topics, rt)
		codes = codes[len(t.Partitions):]
	}
	return out, nil
}

// addKnown adds partitions that all exist, or none.
func (c *Coordinator) addKnown(ctx context.Context, add Add, version int16) (AddResult, error) {
	if codes := c.unknown(add.Partitions); codes != nil {
		return codes, nil
	}
	codes, err := c.add(ctx, add)
	if k, ok := err.(*kerr.Error); ok {
		codes = make(AddResult, len(add.Partitions))
		for i := range codes {
			codes[i] = k.Code
		}
		return codes, nil
	}
	for i, code := range codes {
		codes[i] = coord.CodeFor(addPartitionsKey, version, code)
	}
	return codes, err
}

// unknown gives the codes of an add with partitions that do not exist, else nil.
func (c *Coordinator) unknown(partitions []TopicPartition) AddResult {
	if c.opts.Topics == nil {
		return nil
	}
	topics, found := c.opts.Topics(), false
	codes := make(AddResult, len(partitions))
	for i, p := range partitions {
		codes[i] = kerr.OperationNotAttempted.Code
		if _, n, ok := topics.Topic(p.Topic); !ok || p.Partition < 0 || p.Partition >= n {
			codes[i], found = kerr.UnknownTopicOrPartition.Code, true
		}
	}
	if !found {
		return nil
	}
	return codes
}

func appendPartitions(all []TopicPartition, topic string, partitions []int32) []TopicPartition {
	for _, p := range partitions {
		all = append(all, TopicPartition{topic, p})
	}
	return all
}

func partitionResults(partitions []int32, codes AddResult) []kmsg.AddPartitionsToTxnResponseTopicPartition {
	out := make([]kmsg.AddPartitionsToTxnResponseTopicPartition, len(partitions))
	for i, p := range partitions {
		out[i].Default()
		out[i].Partition, out[i].ErrorCode = p, codes[i]
	}
	return out
}

func transactionResults(partitions []int32, codes AddResult) []kmsg.AddPartitionsToTxnResponseTransactionTopicPartition {
	out := make([]kmsg.AddPartitionsToTxnResponseTransactionTopicPartition, len(partitions))
	for i, p := range partitions {
		out[i].Default()
		out[i].Partition, out[i].ErrorCode = p, codes[i]
	}
	return out
}
