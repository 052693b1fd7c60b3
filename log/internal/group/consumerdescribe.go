package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// ConsumerGroupDescribe, versions 0-1 (KIP-848). 1: which protocol a member speaks.
// Authorized operations are filled in by the broker.

func (c *Core) consumerDescribe(r coord.Request, req *kmsg.ConsumerGroupDescribeRequest) {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	resp.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{}
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, c.describeConsumers(id, c.catalog(r)))
	}
	c.out.AddAfter(c.token, core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) describeConsumers(id string, topics coord.Topics) kmsg.ConsumerGroupDescribeResponseGroup {
	g := c.groups[id]
	switch {
	case id == "":
		return consumerUnknown(id, kerr.InvalidGroupID.Code, "The group id is empty.")
	case g == nil:
		return consumerUnknown(id, kerr.GroupIDNotFound.Code, "Group "+id+" not found.")
	case g.consumers == nil:
		return consumerUnknown(id, kerr.GroupIDNotFound.Code, "Group "+id+" is not a consumer group.")
	}
	cg := g.consumers
	d := kmsg.NewConsumerGroupDescribeResponseGroup()
	d.Group, d.State, d.Epoch = id, cg.state(), cg.epoch
	d.AssignmentEpoch, d.AssignorName = cg.targetEpoch, cg.assignorName()
	d.Members = []kmsg.ConsumerGroupDescribeResponseGroupMember{}
	for _, mid := range cg.sortedIDs() {
		m := cg.members[mid]
		dm := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		dm.MemberID, dm.InstanceID, dm.RackID, dm.MemberEpoch = mid, m.instance, m.rack, m.epoch
		dm.ClientID, dm.ClientHost = m.clientID, m.host
		dm.SubscribedTopics = append([]string{}, m.topics...)
		if m.regex != "" {
			dm.SubscribedTopicRegex = &m.regex
		}
		dm.Assignment, dm.TargetAssignment = describeAssignment(m.assigned, topics), describeAssignment(cg.target[mid], topics)
		dm.MemberType = 1
		if m.classic != nil {
			dm.MemberType = 0
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

// describeAssignment leaves out topics that are gone: there is no name for them.
func describeAssignment(p partitions, topics coord.Topics) kmsg.Assignment {
	a := kmsg.NewAssignment()
	a.TopicPartitions = []kmsg.AssignmentTopicPartition{}
	for _, t := range byTopic(p) {
		if name, ok := topics.Name(t.id); ok {
			at := kmsg.NewAssignmentTopicPartition()
			at.TopicID, at.Topic, at.Partitions = t.id, name, t.partitions
			a.TopicPartitions = append(a.TopicPartitions, at)
		}
	}
	return a
}

// consumerUnknown says why a group is not described.
func consumerUnknown(id string, code int16, why string) kmsg.ConsumerGroupDescribeResponseGroup {
	d := kmsg.NewConsumerGroupDescribeResponseGroup()
	d.Group, d.ErrorCode, d.ErrorMessage = id, code, &why
	d.Members = []kmsg.ConsumerGroupDescribeResponseGroupMember{}
	return d
}
