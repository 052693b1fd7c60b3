package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
)

// OffsetCommit (key 8): a group remembers how far it has read.
func init() {
	register(spec{
		key:    8,
		levels: []levelRange{{level: 1, min: 2, max: 10}},
		changes: []change{
			{2, "offsets with a retention time, which is ignored"},
			{3, "throttle time"},
			{5, "no retention time: offsets expire when the group is empty (KIP-211)"},
			{6, "leader epoch of the committed offset (KIP-320)"},
			{7, "static members (KIP-345)"},
			{8, "flexible"},
			{9, "members of the consumer protocol, with their epoch (KIP-848)"},
			{10, "topics by id alone"},
		},
	}, offsetCommit)
}

func offsetCommit(ctx context.Context, c *call, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	if !c.allowed(acl.Read, acl.Group, req.Group) {
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	mine, others := byRight(c, acl.Read, req.Topics, func(t kmsg.OffsetCommitRequestTopic) (string, bool) {
		return c.named(req.Version >= 10, t.TopicID, t.Topic)
	})
	if len(others) == 0 {
		return c.groups(ctx, req)
	}
	part := *req
	part.Topics = others
	refused := group.Refuse(&part, kerr.TopicAuthorizationFailed).(*kmsg.OffsetCommitResponse)
	if len(mine) == 0 {
		return refused, nil
	}
	part.Topics = mine
	resp, err := c.groups(ctx, &part)
	if err == nil {
		answer := resp.(*kmsg.OffsetCommitResponse)
		answer.Topics = append(answer.Topics, refused.Topics...)
	}
	return resp, err
}
