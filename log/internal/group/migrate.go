package group

import (
	"errors"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// A group moves between the two protocols while its members work on, as with Kafka's
// group.consumer.migration.policy=bidirectional: the first member of the consumer
// protocol that joins makes it a consumer group, in which the others go on with the
// classic protocol; when only such are left it is a classic group again. An empty
// group becomes what the next member that joins speaks. Committed offsets stay.
//
// The tombstones of the old protocol's records and the records of the new one are in
// one batch.

// mayBecomeConsumers decides whether a heartbeat of the consumer protocol may be of
// this group, which may be nil.
func (c *Core) mayBecomeConsumers(g *group, id string, joining bool) error {
	switch {
	case g == nil && !joining:
		return refuse(kerr.GroupIDNotFound, "Consumer group %s not found.", id)
	case g == nil || g.consumers != nil || joining && len(g.members) == 0 && g.state == Empty:
		return nil
	case !joining:
		return refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id)
	case g.protocolType != consumerProtocol:
		return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because the group does not use the consumer embedded protocol.", id)
	case len(g.members) >= c.cfg.MaxSize:
		return refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", c.cfg.MaxSize)
	}
	return nil
}

// becomeConsumers makes a classic group, with members or without, one of the consumer
// protocol. Nothing has changed if there is an error.
func (c *Core) becomeConsumers(g *group, topics coord.Topics) error {
	cg := newConsumerGroup()
	for _, m := range g.members {
		cm, err := consumerFrom(g, m, topics)
		if err != nil {
			return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because %v.", g.id, err)
		}
		cg.members[m.id] = cm
	}
	if len(g.members) > 0 {
		cg.epoch, cg.targetEpoch = g.generation, g.generation
	}
	cg.derive()
	for _, m := range g.members {
		c.failWaiting(g, m, kerr.RebalanceInProgress)
		c.timers.Clear(timerKey{sessionTimer, g.id, m.id})
	}
	for _, id := range sortedKeys(g.pending) {
		c.clearPending(g, id)
	}
	for _, kind := range []timerKind{rebalanceTimer, initialTimer, syncTimer} {
		c.timers.Clear(timerKey{kind: kind, group: g.id})
	}
	if g.written {
		c.note(metadataKey(g.id), nil)
	}
	upgraded := len(g.members) > 0
	g.forgetClassic()
	g.consumers = cg
	if !upgraded {
		return nil
	}
	c.noteConsumers(g)
	c.tell(GroupMoved{Group: g.id, To: "consumer", Members: len(cg.members)})
	return nil
}

// consumerFrom is a member of the classic protocol as a consumer group keeps it.
func consumerFrom(g *group, m *member, topics coord.Topics) (*consumerMember, error) {
	sub, err := m.subscription()
	if err != nil {
		return nil, err
	}
	assigned, userData, err := parseAssignment(m.assignment, topics)
	if err != nil {
		return nil, err
	}
	if userData && !standardAssignors[g.protocol] {
		return nil, errors.New("an unsupported custom assignor is in use")
	}
	cm := newConsumerMember(m.id)
	cm.profile = profile{instance: m.instance, rack: sub.Rack, clientID: m.clientID, host: m.host, topics: names(sub.Topics),
		rebalanceTimeout: m.rebalanceTimeout, classic: &classicProfile{m.session, m.protocols}}
	cm.epoch, cm.previous = g.generation, g.generation
	for tp := range assigned {
		cm.assigned[tp] = g.generation
	}
	cm.hasProfile = true
	return cm, nil
}

// noteConsumers notes all records of a group that has just become one of consumers.
// What each member has is also what it shall have.
func (c *Core) noteConsumers(g *group) {
	cg := g.consumers
	ids := cg.sortedIDs()
	for _, id := range ids {
		c.note(consumerKey(memberProfileKey, g.id, id), profileValue(&cg.members[id].profile))
	}
	c.note(consumerKey(groupEpochKey, g.id, ""), epochValue(cg.epoch, cg.hash))
	for _, id := range ids {
		cg.target[id] = maps.Clone(cg.members[id].assigned)
		c.note(consumerKey(memberTargetKey, g.id, id), targetValue(cg.target[id]))
	}
	c.note(consumerKey(targetEpochKey, g.id, ""), targetEpochValue(cg.targetEpoch))
	for _, id := range ids {
		m := cg.members[id]
		c.note(consumerKey(memberStandingKey, g.id, id), standingValue(&m.standing))
		c.touchConsumer(g, m)
	}
}

// mayBecomeClassic decides whether the members that leave are the last of the
// consumer protocol, and others stay.
func (c *Core) mayBecomeClassic(g *group, leaving []*consumerMember) bool {
	cg := g.consumers
	gone := 0
	for _, m := range leaving {
		if m.classic != nil {
			gone++
		}
	}
	stay := len(cg.members) - len(leaving)
	return stay > 0 && cg.classicMembers()-gone == stay
}

// becomeClassic makes the group one of the classic protocol, without the members that
// leave. Who stays keeps what it has until the next rebalance.
func (c *Core) becomeClassic(g *group, leaving []*consumerMember) {
	cg := g.consumers
	for _, m := range leaving {
		c.dropConsumer(g, m)
	}
	g.protocolType, g.generation = consumerProtocol, cg.epoch
	for _, id := range cg.sortedIDs() {
		m := cg.members[id]
		c.clearConsumerTimers(g, m)
		g.add(&member{id: m.id, instance: m.instance, clientID: m.clientID, host: m.host, session: m.classic.session,
			rebalanceTimeout: m.rebalanceTimeout, protocols: m.classic.protocols})
	}
	g.protocol = g.selectProtocol()
	for _, m := range g.members {
		m.assignment = assignmentBytes(cg.members[m.id].assigned, m.metadata(g.protocol), c.latest)
		c.touch(g, m)
	}
	c.dropConsumers(g)
	c.moveTo(g, Stable)
	c.writeMetadata(g)
	c.append(g)
	c.tell(GroupMoved{Group: g.id, To: "classic", Members: len(g.members)})
}

// dropConsumers takes all records of the consumer protocol away. What is left is an
// empty classic group.
func (c *Core) dropConsumers(g *group) {
	cg := g.consumers
	ids := cg.sortedIDs()
	for _, kind := range []int16{memberStandingKey, memberTargetKey} {
		for _, id := range ids {
			c.note(consumerKey(kind, g.id, id), nil)
		}
	}
	if cg.targetEpoch != 0 {
		c.note(consumerKey(targetEpochKey, g.id, ""), nil)
	}
	for _, id := range ids {
		c.note(consumerKey(memberProfileKey, g.id, id), nil)
	}
	for _, pattern := range sortedKeys(cg.regexes) {
		c.note(consumerKey(regexKey, g.id, pattern), nil)
	}
	if cg.legacy {
		c.note(consumerKey(partitionMetadataKey, g.id, ""), nil)
	}
	c.note(consumerKey(groupEpochKey, g.id, ""), nil)
	g.consumers = nil
}

// forgetClassic drops what the group was in the classic protocol.
func (g *group) forgetClassic() {
	g.members, g.static = nil, map[string]*member{}
	g.state, g.generation, g.protocolType, g.protocol, g.leader = Empty, 0, "", "", ""
	g.initialLimit, g.written = 0, false
}

// subscription is what a member says that it reads. It says the same along with each
// of its protocols.
func (m *member) subscription() (kmsg.ConsumerMemberMetadata, error) {
	var sub kmsg.ConsumerMemberMetadata
	if len(m.protocols) == 0 || sub.ReadFrom(m.protocols[0].Metadata) != nil {
		return sub, errors.New("the embedded consumer protocol is malformed")
	}
	return sub, nil
}

// standardAssignors are those that clients bring along. What they add to assignments
// (librdkafka's do) is for their own next rebalance; that of a custom one may be what
// the application lives on.
var standardAssignors = map[string]bool{"range": true, "roundrobin": true, "sticky": true, "cooperative-sticky": true}

// parseAssignment reads an assignment of the classic protocol. Topics that are gone
// are left out. userData is whether the assignor has added something of its own.
func parseAssignment(b []byte, topics coord.Topics) (assigned partitions, userData bool, err error) {
	assigned = partitions{}
	if len(b) == 0 {
		return assigned, false, nil
	}
	var a kmsg.ConsumerMemberAssignment
	if a.ReadFrom(b) != nil {
		return nil, false, errors.New("the embedded consumer protocol is malformed")
	}
	for _, t := range a.Topics {
		id, n, ok := topics.Topic(t.Topic)
		if !ok {
			continue
		}
		for _, p := range t.Partitions {
			if p >= 0 && p < n {
				assigned[topicPartition{id, p}] = 0
			}
		}
	}
	return assigned, len(a.UserData) > 0, nil
}

// assignmentBytes is an assignment for a member of the classic protocol, in the
// version of the metadata that it sent.
func assignmentBytes(p partitions, metadata []byte, topics coord.Topics) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	if len(metadata) >= 2 {
		a.Version = max(0, int16(metadata[0])<<8|int16(metadata[1]))
	}
	for _, t := range byTopic(p) {
		if name, ok := topics.Name(t.id); ok {
			at := kmsg.NewConsumerMemberAssignmentTopic()
			at.Topic, at.Partitions = name, t.partitions
			a.Topics = append(a.Topics, at)
		}
	}
	return a.AppendTo(nil)
}
