package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/txn"
)

// TxnOffsetCommit (key 28): a transaction commits a group's offsets. They count
// when the transaction commits.
func init() {
	register(spec{
		key:    28,
		levels: []levelRange{{level: 1, min: 0, max: 6}},
		changes: []change{
			{0, "offsets of a group in a transaction"},
			{2, "leader epoch of the committed offset (KIP-320)"},
			{3, "flexible; the group's generation and member fence zombies (KIP-447)"},
			{4, "clients that know TRANSACTION_ABORTABLE (KIP-890)"},
			{5, "transaction version 2: committing adds the group's offsets partition to the transaction"},
			{6, "topics by id alone"},
		},
	}, txnOffsetCommit)
}

func txnOffsetCommit(ctx context.Context, c *call, req *kmsg.TxnOffsetCommitRequest) (kmsg.Response, error) {
	switch {
	case !c.allowed(acl.Write, acl.TransactionalID, req.TransactionalID):
		return group.Refuse(req, kerr.TransactionalIDAuthorizationFailed), nil
	case !c.allowed(acl.Read, acl.Group, req.Group):
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	mine, others := byRight(c, acl.Read, req.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) (string, bool) {
		return c.named(req.Version >= 6, t.TopicID, t.Topic)
	})
	if len(others) == 0 {
		return c.commitInTxn(ctx, req)
	}
	part := *req
	part.Topics = others
	refused := group.Refuse(&part, kerr.TopicAuthorizationFailed).(*kmsg.TxnOffsetCommitResponse)
	if len(mine) == 0 {
		return refused, nil
	}
	part.Topics = mine
	resp, err := c.commitInTxn(ctx, &part)
	if err == nil {
		answer := resp.(*kmsg.TxnOffsetCommitResponse)
		answer.Topics = append(answer.Topics, refused.Topics...)
	}
	return resp, err
}

// commitInTxn has the transaction coordinator admit the group's partition, and the
// group coordinator take the offsets.
func (c *call) commitInTxn(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) (kmsg.Response, error) {
	write := txn.Write{
		TransactionalID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch,
		Topic: coord.GroupTopic, Partition: c.opts.Groups.Partition(req.Group), Version: 1,
	}
	if req.Version >= 5 {
		write.Version = 2
	}
	release, err := c.opts.Transactions.Admit(ctx, write)
	if err != nil {
		return refuseTxnOffsetCommit(req, err)
	}
	defer release()
	return c.groups(ctx, req)
}

// refuseTxnOffsetCommit gives every partition what the transaction coordinator said.
func refuseTxnOffsetCommit(req *kmsg.TxnOffsetCommitRequest, err error) (kmsg.Response, error) {
	var code *kerr.Error
	if !errors.As(err, &code) {
		return nil, err
	}
	if code == kerr.ProducerFenced {
		code = kerr.InvalidProducerEpoch // in every version, as in Kafka
	}
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	resp.Topics = []kmsg.TxnOffsetCommitResponseTopic{}
	for _, rt := range req.Topics {
		pt := kmsg.NewTxnOffsetCommitResponseTopic()
		pt.Topic, pt.TopicID = rt.Topic, rt.TopicID
		pt.Partitions = []kmsg.TxnOffsetCommitResponseTopicPartition{}
		for _, rp := range rt.Partitions {
			pp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			pp.Partition, pp.ErrorCode = rp.Partition, coord.CodeFor(req.Key(), req.Version, code.Code)
			pt.Partitions = append(pt.Partitions, pp)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	return resp, nil
}
