package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// InitProducerId (key 22): the identity of an idempotent or transactional producer.
func init() {
	register(spec{
		key:    22,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "a producer id, and with a transactional id the end of what its last owner left open"},
			{1, "throttle time"},
			{2, "flexible"},
			{3, "the producer's own id and epoch, to raise the epoch after an error (KIP-360)"},
			{4, "PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH"},
			{5, "clients of transaction version 2 (KIP-890)"},
		},
		deviations: []string{
			"Where a transaction of the id is still being ended, the request waits for it, 2 s at most, as do Produce and AddPartitionsToTxn; Kafka answers CONCURRENT_TRANSACTIONS at once.",
			"A producer that says who it was must have the current epoch to end its transaction so; Kafka lets any epoch of its id.",
		},
	}, initProducerID)
}

func initProducerID(ctx context.Context, c *call, req *kmsg.InitProducerIDRequest) (kmsg.Response, error) {
	var denied *kerr.Error
	switch id := req.TransactionalID; {
	case id != nil && !c.allowed(acl.Write, acl.TransactionalID, *id):
		denied = kerr.TransactionalIDAuthorizationFailed
	case id == nil && !c.sees(acl.IdempotentWrite, acl.Cluster, acl.ClusterName) && !c.allowedOnAny(acl.Write, acl.Topic):
		// Whoever may write to a topic may do so idempotently (KIP-679).
		denied = kerr.ClusterAuthorizationFailed
	default:
		return c.transactions(ctx, req)
	}
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = -1, -1, denied.Code
	return resp, nil
}
