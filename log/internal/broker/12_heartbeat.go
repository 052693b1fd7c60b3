package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// Heartbeat (key 12): a group member is alive.
func init() {
	register(spec{
		key:    12,
		levels: []levelRange{{level: 1, min: 0, max: 4}},
		changes: []change{
			{0, "a member is alive; the answer says whether the group rebalances"},
			{1, "throttle time"},
			{3, "static members (KIP-345)"},
			{4, "flexible"},
		},
	}, heartbeat)
}

func heartbeat(ctx context.Context, c *call, req *kmsg.HeartbeatRequest) (kmsg.Response, error) {
	return c.groupsFor(ctx, acl.Read, req.Group, req)
}
