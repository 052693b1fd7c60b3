package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// consumerLeave serves a heartbeat with an epoch below 0: the member leaves, or with
// -2 a static one leaves for now and keeps its partitions for its session. franz-go
// sends -2 without the instance id; who the member is says its own id.
func (c *Core) consumerLeave(r coord.Request, req *kmsg.ConsumerGroupHeartbeatRequest) {
	g := c.groups[req.Group]
	m, err := leaver(g, req)
	if err != nil {
		c.refuseConsumer(g, r, err)
		return
	}
	if req.MemberEpoch == leavingForNowEpoch {
		next := m.standing
		next.epoch, next.revoking = leavingForNowEpoch, partitions{}
		c.stand(g, m, next)
	} else {
		c.fence(g, m)
	}
	c.append(g)
	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	resp.MemberID, resp.MemberEpoch = &req.MemberID, req.MemberEpoch
	c.reply(g, r, resp)
}

// leaver is the member that wants to leave.
func leaver(g *group, req *kmsg.ConsumerGroupHeartbeatRequest) (*consumerMember, error) {
	if g == nil || g.consumers == nil {
		return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", req.Group)
	}
	m := g.consumers.members[req.MemberID]
	if req.InstanceID != nil {
		static := g.consumers.static[*req.InstanceID]
		switch {
		case static == nil:
			return nil, refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		case static != m:
			return nil, refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, static.id)
		}
	}
	switch {
	case m == nil:
		return nil, refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.Group)
	case req.MemberEpoch == leavingForNowEpoch && m.instance == nil:
		return nil, refuse(kerr.InvalidRequest, "InstanceId can't be null.")
	}
	return m, nil
}

// fence removes members, in which the rest of the group has a new epoch. Without the
// last member of the consumer protocol the group is one of the classic protocol.
func (c *Core) fence(g *group, members ...*consumerMember) {
	if len(members) == 0 {
		return
	}
	if c.mayBecomeClassic(g, members) {
		c.becomeClassic(g, members)
		c.rebalance(g)
		return
	}
	for _, m := range members {
		c.dropConsumer(g, m)
	}
	c.dropRegexes(g)
	if _, unknown := c.latest.(nowhere); unknown {
		c.raiseEpoch(g) // the next heartbeat brings the topics to compare
		return
	}
	c.raiseIfTopicsChanged(g, true, c.latest)
}

// dropConsumer takes a member out. Its records go in the order in which Kafka's replay
// wants them gone.
func (c *Core) dropConsumer(g *group, m *consumerMember) {
	cg := g.consumers
	c.clearConsumerTimers(g, m)
	cg.disown(m)
	cg.subscribe(m.topics, -1)
	delete(cg.members, m.id)
	delete(cg.target, m.id)
	if m.instance != nil && cg.static[*m.instance] == m {
		delete(cg.static, *m.instance)
	}
	for _, kind := range []int16{memberStandingKey, memberTargetKey, memberProfileKey} {
		c.note(consumerKey(kind, g.id, m.id), nil)
	}
}

func (c *Core) clearConsumerTimers(g *group, m *consumerMember) {
	for _, kind := range []timerKind{sessionTimer, revokeTimer, rejoinTimer, memberSyncTimer} {
		c.timers.Clear(timerKey{kind, g.id, m.id})
	}
}

// dropRegexes forgets the patterns that nobody subscribes to any more.
func (c *Core) dropRegexes(g *group) {
	for _, pattern := range sortedKeys(g.consumers.regexes) {
		if !slices.ContainsFunc(g.consumers.sortedIDs(), func(id string) bool { return g.consumers.members[id].regex == pattern }) {
			delete(g.consumers.regexes, pattern)
			c.note(consumerKey(regexKey, g.id, pattern), nil)
			g.consumers.recheck = true
		}
	}
}

// consumerExpired is a deadline of a member that has passed: it has not been heard of
// for its session, or has not done in time what a rebalance asked of it.
func (c *Core) consumerExpired(g *group, key timerKey) {
	m := g.consumers.members[key.member]
	if m == nil || key.kind == revokeTimer && m.state != memberUnrevoked {
		return
	}
	c.tell(MemberExpired{Group: g.id, Member: m.id, Why: expiryReasons[key.kind]})
	c.fence(g, m)
	c.append(g)
}

var expiryReasons = map[timerKind]string{
	sessionTimer:    "no heartbeat within the session timeout",
	revokeTimer:     "partitions not given up within the rebalance timeout",
	rejoinTimer:     "not joined again within the rebalance timeout",
	memberSyncTimer: "not synced within the rebalance timeout",
}
