package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// ConsumerGroupDescribe (key 69): epochs, members and assignments of groups of the
// consumer protocol (KIP-848).
func init() {
	register(spec{
		key:         69,
		levels:      []levelRange{{level: 1, min: 0, max: 1}},
		answerBytes: 4 << 10,
		changes: []change{
			{0, "state, epochs, members, what they have and what they shall have (KIP-848)"},
			{1, "which protocol a member speaks (KIP-1099)"},
		},
	}, consumerGroupDescribe)
}

func consumerGroupDescribe(ctx context.Context, c *call, req *kmsg.ConsumerGroupDescribeRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	resp.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{}
	for _, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		r, err := c.groupsFor(ctx, acl.Describe, id, &one)
		if err != nil {
			return nil, err
		}
		g := r.(*kmsg.ConsumerGroupDescribeResponse).Groups[0]
		if g.ErrorCode == 0 && !c.seesAssigned(g.Members) {
			g = hiddenConsumers(id)
		}
		if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
			g.AuthorizedOperations = c.operations(acl.Group, id)
		}
		resp.Groups = append(resp.Groups, g)
	}
	return resp, nil
}

// seesAssigned tells whether the caller may know of all topics that a description
// names.
func (c *call) seesAssigned(members []kmsg.ConsumerGroupDescribeResponseGroupMember) bool {
	seen := map[string]bool{}
	sees := func(topic string) bool {
		if !seen[topic] {
			seen[topic] = c.sees(acl.Describe, acl.Topic, topic)
		}
		return seen[topic]
	}
	for _, m := range members {
		for _, topic := range m.SubscribedTopics {
			if !sees(topic) {
				return false
			}
		}
		for _, a := range []kmsg.Assignment{m.Assignment, m.TargetAssignment} {
			for _, t := range a.TopicPartitions {
				if !sees(t.Topic) {
					return false
				}
			}
		}
	}
	return true
}

// hiddenConsumers is the description of a group that reads what the caller may not
// know of: all or nothing, as in Kafka.
func hiddenConsumers(id string) kmsg.ConsumerGroupDescribeResponseGroup {
	g := kmsg.NewConsumerGroupDescribeResponseGroup()
	g.Group, g.ErrorCode = id, kerr.TopicAuthorizationFailed.Code
	g.ErrorMessage = new("The group has described topic(s) that the client is not authorized to describe.")
	g.Members = []kmsg.ConsumerGroupDescribeResponseGroupMember{}
	return g
}
