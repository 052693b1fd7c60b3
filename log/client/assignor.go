package client

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Assignor distributes partitions over the members of a group. The group's
// leader runs it; every member names it when joining.
type Assignor interface {
	// Name is the protocol's name in the group; all members must share one.
	Name() string
	// UserData travels with this member's subscription at each join.
	UserData() []byte
	// Assign gives every member its part. partitions holds the partition count of
	// every subscribed topic that exists. The result depends on nothing else.
	Assign(members []GroupMember, partitions map[string]int32) (map[string]Assignment, error)
}

// GroupMember is one member as the leader sees it.
type GroupMember struct {
	ID       string
	Instance string // "" if dynamic
	Topics   []string
	Owned    []TopicPartition // what it still holds from before
	UserData []byte
}

// Assignment is what one member gets.
type Assignment struct {
	Partitions []TopicPartition
	UserData   []byte
}

// RoundRobin deals all partitions, in order of topic and number, over the
// members in order of instance and id. It is compatible with the assignor of the
// same name in other clients.
func RoundRobin() Assignor { return roundRobin{} }

type roundRobin struct{}

func (roundRobin) Name() string     { return "roundrobin" }
func (roundRobin) UserData() []byte { return nil }

func (roundRobin) Assign(members []GroupMember, partitions map[string]int32) (map[string]Assignment, error) {
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b GroupMember) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
	})
	topics := make([]string, 0, len(partitions))
	for t := range partitions {
		topics = append(topics, t)
	}
	slices.Sort(topics)
	plan := make(map[string]Assignment, len(members))
	for _, m := range members {
		plan[m.ID] = Assignment{}
	}
	turn := 0
	for _, t := range topics {
		for p := range partitions[t] {
			for range sorted {
				m := sorted[turn%len(sorted)]
				turn++
				if slices.Contains(m.Topics, t) {
					a := plan[m.ID]
					a.Partitions = append(a.Partitions, TopicPartition{t, p})
					plan[m.ID] = a
					break
				}
			}
		}
	}
	return plan, nil
}

// subscription encodes what a member says of itself when it joins.
func subscription(topics []string, owned []TopicPartition, userData []byte) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData = 1, topics, userData
	for topic, parts := range byTopic(owned) {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = topic, parts
		m.OwnedPartitions = append(m.OwnedPartitions, o)
	}
	slices.SortFunc(m.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
	return m.AppendTo(nil)
}

// readMember decodes a member's subscription.
func readMember(m kmsg.JoinGroupResponseMember) (GroupMember, error) {
	g := GroupMember{ID: m.MemberID}
	if m.InstanceID != nil {
		g.Instance = *m.InstanceID
	}
	meta := kmsg.NewConsumerMemberMetadata()
	if err := meta.ReadFrom(m.ProtocolMetadata); err != nil {
		return g, fmt.Errorf("member %s sent a subscription that cannot be read: %w", m.MemberID, err)
	}
	g.Topics, g.UserData = meta.Topics, meta.UserData
	for _, o := range meta.OwnedPartitions {
		for _, p := range o.Partitions {
			g.Owned = append(g.Owned, TopicPartition{o.Topic, p})
		}
	}
	return g, nil
}

// wire encodes an assignment, in order of topic.
func (a Assignment) wire() []byte {
	m := kmsg.NewConsumerMemberAssignment()
	m.UserData = a.UserData
	for topic, parts := range byTopic(a.Partitions) {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = topic, parts
		m.Topics = append(m.Topics, t)
	}
	slices.SortFunc(m.Topics, func(a, b kmsg.ConsumerMemberAssignmentTopic) int { return cmp.Compare(a.Topic, b.Topic) })
	return m.AppendTo(nil)
}

// readAssignment decodes an assignment; no bytes are an empty one.
func readAssignment(b []byte) (Assignment, error) {
	var a Assignment
	if len(b) == 0 {
		return a, nil
	}
	m := kmsg.NewConsumerMemberAssignment()
	if err := m.ReadFrom(b); err != nil {
		return a, fmt.Errorf("the group's leader sent an assignment that cannot be read: %w", err)
	}
	a.UserData = m.UserData
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			a.Partitions = append(a.Partitions, TopicPartition{t.Topic, p})
		}
	}
	return a, nil
}
