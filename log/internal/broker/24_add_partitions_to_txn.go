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
		key:     24,
		clients: 3,
		levels:  []levelRange{{level: 1, min: 0, max: 5}},
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
	return c.transactions(ctx, req)
}
