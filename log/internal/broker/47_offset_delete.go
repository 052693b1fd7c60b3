package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
)

// OffsetDelete (key 47): a group forgets how far it has read of topics that no member
// reads (KIP-496).
func init() {
	register(spec{
		key:    47,
		levels: []levelRange{{level: 1, min: 0, max: 0}},
		changes: []change{
			{0, "committed offsets of topics that no member of the group reads; never flexible"},
		},
		deviations: []string{"A topic that does not exist has no offsets left when the request is done, which is no error; Kafka answers UNKNOWN_TOPIC_OR_PARTITION."},
	}, offsetDelete)
}

func offsetDelete(ctx context.Context, c *call, req *kmsg.OffsetDeleteRequest) (kmsg.Response, error) {
	if !c.allowed(acl.Delete, acl.Group, req.Group) {
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	mine, others := byRight(c, acl.Read, req.Topics, func(t kmsg.OffsetDeleteRequestTopic) (string, bool) { return t.Topic, true })
	part := *req
	part.Topics = mine
	r, err := c.groups(ctx, &part)
	if err != nil {
		return nil, err
	}
	resp := r.(*kmsg.OffsetDeleteResponse)
	if resp.ErrorCode != 0 {
		return resp, nil
	}
	for _, t := range others {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.OffsetDeleteResponseTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}
