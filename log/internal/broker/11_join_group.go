package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// JoinGroup (key 11): a member joins and waits until the group is complete.
func init() {
	register(spec{
		key:    11,
		levels: []levelRange{{level: 1, min: 0, max: 9}},
		changes: []change{
			{0, "join and wait for the others; old clients probe for this version (KAFKA-19444)"},
			{1, "rebalance timeout apart from the session timeout"},
			{2, "throttle time"},
			{4, "a new member is first given its id (KIP-394)"},
			{5, "static members (KIP-345)"},
			{6, "flexible"},
			{7, "protocol type"},
			{8, "the reason (KIP-800)"},
			{9, "skip the assignment (KIP-814)"},
		},
		deviations: []string{
			"The first rebalance of an empty group waits until nobody has joined for 100 ms, 3 s at most; Kafka waits 3 s from the first member on.",
			"A group takes 10 000 members; Kafka has no bound unless `group.max.size` sets one.",
			"The only member of a group may join again with none of its former protocols, as nobody else has to know them; Kafka answers INCONSISTENT_GROUP_PROTOCOL until the member has left.",
			"A new group whose members are gone before their first rebalance has ended is forgotten at once; Kafka writes an empty group as soon as somebody asks to join, and shows it until it next looks for expired offsets.",
		},
	}, joinGroup)
}

func joinGroup(ctx context.Context, c *call, req *kmsg.JoinGroupRequest) (kmsg.Response, error) {
	return c.groupsFor(ctx, acl.Read, req.Group, req)
}
