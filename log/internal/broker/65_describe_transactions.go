package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DescribeTransactions (key 65): where transactional ids stand, and which partitions
// are in their transactions (KIP-664).
func init() {
	register(spec{
		key:         65,
		answerBytes: 4 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 0}},
		changes:     []change{{0, "state, producer, timeout and partitions of transactional ids; flexible"}},
	}, describeTransactions)
}

func describeTransactions(ctx context.Context, c *call, req *kmsg.DescribeTransactionsRequest) (kmsg.Response, error) {
	ask := *req
	ask.TransactionalIDs = nil
	var forbidden []string
	seen := map[string]bool{} // one that is named again is not described again
	for _, id := range req.TransactionalIDs {
		switch {
		case seen[id]:
		case c.allowed(acl.Describe, acl.TransactionalID, id):
			ask.TransactionalIDs = append(ask.TransactionalIDs, id)
		default:
			forbidden = append(forbidden, id)
		}
		seen[id] = true
	}
	answer, err := c.transactions(ctx, &ask)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.DescribeTransactionsResponse)
	for i := range resp.TransactionStates {
		c.hideTopics(&resp.TransactionStates[i])
	}
	for _, id := range forbidden {
		d := kmsg.NewDescribeTransactionsResponseTransactionState()
		d.TransactionalID, d.ErrorCode = id, kerr.TransactionalIDAuthorizationFailed.Code
		d.ProducerID, d.ProducerEpoch, d.StartTimestamp = -1, -1, -1
		d.Topics = []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
		resp.TransactionStates = append(resp.TransactionStates, d)
	}
	return resp, nil
}

// hideTopics leaves out the topics that the caller may not know of.
func (c *call) hideTopics(d *kmsg.DescribeTransactionsResponseTransactionState) {
	d.Topics = slices.DeleteFunc(slices.Clone(d.Topics), func(t kmsg.DescribeTransactionsResponseTransactionStateTopic) bool {
		return !c.sees(acl.Describe, acl.Topic, t.Topic)
	})
	if d.Topics == nil {
		d.Topics = []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
	}
}
