package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// AddOffsetsToTxn (key 25): a transaction of version 1 announces that it will
// commit a group's offsets.
func init() {
	register(spec{
		key:    25,
		levels: []levelRange{{level: 1, min: 0, max: 4}},
		changes: []change{
			{0, "the group's offsets partition becomes part of the transaction"},
			{1, "throttle time"},
			{2, "PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH"},
			{3, "flexible"},
			{4, "clients that know TRANSACTION_ABORTABLE (KIP-890)"},
		},
	}, addOffsetsToTxn)
}

func addOffsetsToTxn(ctx context.Context, c *call, req *kmsg.AddOffsetsToTxnRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	switch {
	case !c.allowed(acl.Write, acl.TransactionalID, req.TransactionalID):
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
	case !c.allowed(acl.Read, acl.Group, req.Group):
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
	default:
		return c.transactions(ctx, req)
	}
	return resp, nil
}
