package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// EndTxn (key 26): a transaction commits or aborts.
func init() {
	register(spec{
		key:    26,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "commit or abort"},
			{1, "throttle time"},
			{2, "PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH"},
			{3, "flexible"},
			{4, "clients that know TRANSACTION_ABORTABLE (KIP-890)"},
			{5, "transaction version 2: the epoch is raised and given back (KIP-890)"},
		},
		deviations: []string{
			"A transaction that nothing was added to may also be committed from version 5 on, and below it by a producer that has ended none yet be ended either way, as there is nothing that it could lose; Kafka answers INVALID_TXN_STATE.",
		},
	}, endTxn)
}

func endTxn(ctx context.Context, c *call, req *kmsg.EndTxnRequest) (kmsg.Response, error) {
	if !c.allowed(acl.Write, acl.TransactionalID, req.TransactionalID) {
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = -1, -1, kerr.TransactionalIDAuthorizationFailed.Code
		return resp, nil
	}
	return c.transactions(ctx, req)
}
