package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// LeaveGroup (key 13): members leave, so that the group need not wait for them.
func init() {
	register(spec{
		key:    13,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "one member leaves"},
			{1, "throttle time"},
			{3, "many members at once, static ones among them (KIP-345)"},
			{4, "flexible"},
			{5, "the reason (KIP-800)"},
		},
	}, leaveGroup)
}

func leaveGroup(ctx context.Context, c *call, req *kmsg.LeaveGroupRequest) (kmsg.Response, error) {
	return c.groupsFor(ctx, acl.Read, req.Group, req)
}
