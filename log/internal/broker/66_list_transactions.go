package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// ListTransactions (key 66): the transactional ids that this node coordinates
// (KIP-664).
func init() {
	register(spec{
		key:    66,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "filter by state and producer id; flexible"},
			{1, "by how long a transaction has been running (KIP-994)"},
			{2, "by a pattern of transactional ids (KIP-1152)"},
		},
		deviations: []string{"With a filter by duration only transactions that are running are listed; Kafka also lists ids that have none. A pattern has at most 512 bytes."},
	}, listTransactions)
}

func listTransactions(ctx context.Context, c *call, req *kmsg.ListTransactionsRequest) (kmsg.Response, error) {
	answer, err := c.transactions(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.ListTransactionsResponse)
	resp.TransactionStates = slices.DeleteFunc(resp.TransactionStates, func(s kmsg.ListTransactionsResponseTransactionState) bool {
		return !c.sees(acl.Describe, acl.TransactionalID, s.TransactionalID)
	})
	return resp, nil
}
