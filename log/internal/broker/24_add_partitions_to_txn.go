package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// AddPartitionsToTxn (key 24): a transaction of version 1 announces the partitions
// that it will write to.
func init() {
	register(spec{
		key:     24,
		clients: 3,
		levels:  []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "partitions of one transaction"},
			{1, "throttle time"},
			{2, "PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH"},
			{3, "flexible"},
			{4, "many transactions, or only asking; for who may act on the cluster, as brokers may (KIP-890)"},
			{5, "clients that know TRANSACTION_ABORTABLE"},
		},
	}, addPartitionsToTxn)
}

func addPartitionsToTxn(ctx context.Context, c *call, req *kmsg.AddPartitionsToTxnRequest) (kmsg.Response, error) {
	if req.Version >= 4 {
		if c.allowedOnCluster(acl.ClusterAction) {
			return c.transactions(ctx, req)
		}
		resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		resp.Transactions = []kmsg.AddPartitionsToTxnResponseTransaction{}
		return resp, nil
	}
	if !c.allowed(acl.Write, acl.TransactionalID, req.TransactionalID) {
		return refusePartitions(req, func(string, int32) *kerr.Error { return kerr.TransactionalIDAuthorizationFailed }), nil
	}
	im, denied := c.image(), map[string]bool{}
	_, others := byRight(c, acl.Write, req.Topics, func(t kmsg.AddPartitionsToTxnRequestTopic) (string, bool) { return t.Topic, true })
	for _, t := range others {
		denied[t.Topic] = true
	}
	for _, rt := range req.Topics { // nobody writes to the log's own topics
		if t := im.TopicByName(rt.Topic); t != nil && t.Internal {
			denied[rt.Topic] = true
		}
	}
	if len(denied) == 0 {
		return c.transactions(ctx, req)
	}
	// One that fails fails all: the others are told that they were not tried.
	return refusePartitions(req, func(topic string, partition int32) *kerr.Error {
		t := im.TopicByName(topic)
		switch {
		case denied[topic]:
			return kerr.TopicAuthorizationFailed
		case t == nil || partition < 0 || int(partition) >= len(t.Partitions):
			return kerr.UnknownTopicOrPartition
		}
		return kerr.OperationNotAttempted
	}), nil
}

// refusePartitions answers with an error for every partition.
func refusePartitions(req *kmsg.AddPartitionsToTxnRequest, why func(topic string, partition int32) *kerr.Error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	resp.Topics = []kmsg.AddPartitionsToTxnResponseTopic{}
	for _, t := range req.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.AddPartitionsToTxnResponseTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p, why(t.Topic, p).Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
