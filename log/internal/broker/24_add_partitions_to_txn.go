package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AddPartitionsToTxn (key 24): a transaction of version 1 announces the partitions
// that it will write to.
func init() {
	register(spec{
		key:    24,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "partitions of one transaction"},
			{1, "throttle time"},
			{2, "PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH"},
			{3, "flexible"},
			{4, "many transactions, or only asking; between brokers (KIP-890)"},
			{5, "clients that know TRANSACTION_ABORTABLE"},
		},
		deviations: []string{"Versions 4 and 5 are what brokers say to each other: they are refused with CLUSTER_AUTHORIZATION_FAILED."},
	}, addPartitionsToTxn)
}

func addPartitionsToTxn(ctx context.Context, c *call, req *kmsg.AddPartitionsToTxnRequest) (kmsg.Response, error) {
	if req.Version >= 4 {
		resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		resp.Transactions = []kmsg.AddPartitionsToTxnResponseTransaction{}
		return resp, nil
	}
	if resp := c.refuseUnknownPartitions(req); resp != nil {
		return resp, nil
	}
	return c.transactions(ctx, req)
}

// refuseUnknownPartitions refuses the whole request if it names a partition that
// there is not; nil if all are there. The coordinator knows no topics.
func (c *call) refuseUnknownPartitions(req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	resp.Topics = []kmsg.AddPartitionsToTxnResponseTopic{}
	failed := false
	for _, rt := range req.Topics {
		pt := kmsg.NewAddPartitionsToTxnResponseTopic()
		pt.Topic = rt.Topic
		pt.Partitions = []kmsg.AddPartitionsToTxnResponseTopicPartition{}
		t, _ := c.find(false, [16]byte{}, rt.Topic)
		for _, index := range rt.Partitions {
			pp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			pp.Partition, pp.ErrorCode = index, kerr.OperationNotAttempted.Code
			switch {
			case t == nil || index < 0 || int(index) >= len(t.Partitions):
				pp.ErrorCode, failed = kerr.UnknownTopicOrPartition.Code, true
			case t.Internal:
				pp.ErrorCode, failed = kerr.TopicAuthorizationFailed.Code, true
			}
			pt.Partitions = append(pt.Partitions, pp)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	if !failed {
		return nil
	}
	return resp
}
