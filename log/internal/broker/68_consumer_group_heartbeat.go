package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
)

// ConsumerGroupHeartbeat (key 68): a member of the consumer protocol joins, stays,
// gives partitions up, gets others and leaves (KIP-848).
func init() {
	register(spec{
		key:         68,
		levels:      []levelRange{{level: 1, min: 0, max: 1}},
		answerBytes: 4 << 10,
		changes: []change{
			{0, "the whole protocol of consumer groups whose partitions the coordinator assigns (KIP-848)"},
			{1, "subscription by regular expression; the client makes its member id (KIP-848)"},
		},
		deviations: []string{
			"Racks are kept and shown, but assignments do not follow them.",
			"A regular expression is resolved when it arrives, not at a later heartbeat. It may have 4 KiB, and what it compiles to times the length of all topic names is bounded.",
			"A classic group moves to this protocol although librdkafka's standard assignors add data to its assignments; Kafka refuses that for every assignor.",
			"A static member may join again under its own member id without having left, and may leave for a while (epoch -2) without naming its instance; Kafka refuses both.",
		},
	}, consumerGroupHeartbeat)
}

func consumerGroupHeartbeat(ctx context.Context, c *call, req *kmsg.ConsumerGroupHeartbeatRequest) (kmsg.Response, error) {
	if !c.allowed(acl.Read, acl.Group, req.Group) {
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	for _, topic := range req.SubscribedTopicNames {
		if !c.allowed(acl.Describe, acl.Topic, topic) {
			return group.Refuse(req, kerr.TopicAuthorizationFailed), nil
		}
	}
	return c.groups(ctx, req)
}
