package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
)

// SyncGroup (key 14): the leader hands in the assignment, everyone gets theirs.
func init() {
	register(spec{
		key:    14,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "the leader gives the assignment, the others wait for it"},
			{1, "throttle time"},
			{3, "static members (KIP-345)"},
			{4, "flexible"},
			{5, "protocol type and name (KIP-559)"},
		},
		deviations: []string{
			"A generation that a crash took away before its first sync is answered REBALANCE_IN_PROGRESS, " +
				"so that members join again without an error; Kafka says ILLEGAL_GENERATION.",
		},
	}, syncGroup)
}

func syncGroup(ctx context.Context, c *call, req *kmsg.SyncGroupRequest) (kmsg.Response, error) {
	if req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		return group.Refuse(req, kerr.InconsistentGroupProtocol), nil
	}
	return c.groupsFor(ctx, acl.Read, req.Group, req)
}
