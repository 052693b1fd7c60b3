package group

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// ConsumerGroupHeartbeat, versions 0-1 (KIP-848). 1: subscription by regular
// expression; the client makes its member id.
//
// It is the whole of the protocol: members join, say what they read, give partitions
// up, get others and leave with it.

func (c *Core) consumerHeartbeat(r coord.Request, req *kmsg.ConsumerGroupHeartbeatRequest) {
	err := checkConsumerHeartbeat(req)
	switch {
	case err != nil:
		c.refuseConsumer(nil, r, err)
	case req.MemberEpoch < joiningEpoch:
		c.consumerLeave(r, req)
	default:
		g, m, owned, err := c.admit(r, req)
		if err != nil {
			c.refuseConsumer(c.groups[req.Group], r, err)
			return
		}
		c.consumerBeat(g, m, owned, r, req)
	}
}

// checkConsumerHeartbeat is what can be said of a request without its group.
func checkConsumerHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest) error {
	e := req.MemberEpoch
	bad := func(why string) error { return refuse(kerr.InvalidRequest, "%s", why) }
	switch {
	case req.MemberID == "" && (req.Version >= 1 || e > joiningEpoch || e < joiningEpoch):
		return bad("MemberId can't be empty.")
	case req.Group == "":
		return bad("GroupId can't be empty.")
	case req.InstanceID != nil && *req.InstanceID == "":
		return bad("InstanceId can't be empty.")
	case req.RackID != nil && *req.RackID == "":
		return bad("RackId can't be empty.")
	case e < leavingForNowEpoch:
		return bad("MemberEpoch is invalid.")
	case e == joiningEpoch && req.RebalanceTimeoutMillis < 0:
		return bad("RebalanceTimeoutMs must be provided in first request.")
	case e == joiningEpoch && (req.Topics == nil || len(req.Topics) > 0):
		return bad("TopicPartitions must be empty when (re-)joining.")
	case e == joiningEpoch && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		return bad("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case req.ServerAssignor != nil && assignors[*req.ServerAssignor] == nil:
		return refuse(kerr.UnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: %v.", *req.ServerAssignor, assignorNames)
	}
	return nil
}

// admit finds or makes the group and the member. Nothing is changed unless the
// request will be served.
func (c *Core) admit(r coord.Request, req *kmsg.ConsumerGroupHeartbeatRequest) (*group, *consumerMember, ownership, error) {
	owned := ownedBy(req)
	joining := req.MemberEpoch == joiningEpoch
	g := c.groups[req.Group]
	if err := c.mayBecomeConsumers(g, req.Group, joining); err != nil {
		return nil, nil, nil, err
	}
	if req.SubscribedTopicRegex != nil && *req.SubscribedTopicRegex != "" && !g.knowsRegex(*req.SubscribedTopicRegex) {
		if err := checkRegex(*req.SubscribedTopicRegex, c.catalog(r)); err != nil {
			return nil, nil, nil, err
		}
	}
	if joining {
		g = c.group(req.Group)
	}
	if g.consumers != nil {
		if err := c.checkMember(g.consumers, req, owned); err != nil {
			return nil, nil, nil, err
		}
	} else if err := c.becomeConsumers(g, c.catalog(r)); err != nil {
		return nil, nil, nil, err
	}
	id := req.MemberID
	if id == "" {
		id = c.uuid()
	}
	return g, c.consumerOf(g, id, req.InstanceID, joining), owned, nil
}

// checkMember decides whether the request is of a member, or may make one.
func (c *Core) checkMember(cg *consumerGroup, req *kmsg.ConsumerGroupHeartbeatRequest, owned ownership) error {
	m := cg.members[req.MemberID]
	joining := req.MemberEpoch == joiningEpoch
	if m == nil && len(cg.members) >= c.cfg.MaxSize && (req.InstanceID == nil || cg.static[*req.InstanceID] == nil) {
		return refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", c.cfg.MaxSize)
	}
	if req.InstanceID != nil {
		old := cg.static[*req.InstanceID]
		switch {
		case old == nil && !joining:
			return refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		case old == nil || old.id == req.MemberID:
		case !joining:
			return refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, old.id)
		case old.classic == nil && old.epoch != leavingForNowEpoch:
			return refuse(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.",
				req.MemberID, *req.InstanceID, old.id)
		}
	}
	if joining {
		return nil
	}
	if m == nil {
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.Group)
	}
	switch e := req.MemberEpoch; {
	case e == m.epoch, e == m.previous && e < m.epoch && owned.within(m.assigned):
		return nil // the epoch before: the answer with the next one was lost
	case e > m.epoch:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", e, m.epoch)
	default:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", e, m.epoch)
	}
}

// consumerOf is the member, made if it joins: anew, or in the place of the static
// member whose instance it is.
func (c *Core) consumerOf(g *group, id string, instance *string, joining bool) *consumerMember {
	cg := g.consumers
	if m := cg.members[id]; m != nil {
		if m.epoch == leavingForNowEpoch {
			m.epoch, m.previous = joiningEpoch, joiningEpoch // the same process, after all
		}
		return m
	}
	if instance != nil && joining {
		if old := cg.static[*instance]; old != nil {
			return c.replaceConsumer(g, old, id)
		}
	}
	m := newConsumerMember(id)
	cg.members[id] = m
	return m
}

// replaceConsumer puts a member with another id in the place of a static one. It gets
// what the old one had at once: the process that had it is gone.
func (c *Core) replaceConsumer(g *group, old *consumerMember, id string) *consumerMember {
	cg := g.consumers
	target := cg.target[old.id]
	m := newConsumerMember(id)
	m.profile = old.profile
	m.standing = standing{state: old.state, assigned: maps.Clone(old.assigned), revoking: maps.Clone(old.revoking)}
	c.dropConsumer(g, old)
	cg.members[id] = m
	cg.static[*m.instance] = m
	cg.subscribe(m.topics, 1)
	c.note(consumerKey(memberProfileKey, g.id, id), profileValue(&m.profile))
	if target != nil {
		cg.target[id] = target
		c.note(consumerKey(memberTargetKey, g.id, id), targetValue(target))
	}
	c.stand(g, m, m.standing)
	return m
}

// consumerBeat takes over what the heartbeat says and answers where the member stands.
func (c *Core) consumerBeat(g *group, m *consumerMember, owned ownership, r coord.Request, req *kmsg.ConsumerGroupHeartbeatRequest) {
	before := maps.Clone(m.assigned)
	c.timers.Clear(timerKey{rejoinTimer, g.id, m.id})
	c.timers.Clear(timerKey{memberSyncTimer, g.id, m.id})
	p := m.profile
	p.clientID, p.host, p.classic = r.Meta.ClientID, r.Meta.ClientHost, nil
	if req.InstanceID != nil {
		p.instance = req.InstanceID
	}
	if req.RackID != nil {
		p.rack = req.RackID
	}
	if req.RebalanceTimeoutMillis >= 0 {
		p.rebalanceTimeout = millis(req.RebalanceTimeoutMillis)
	}
	if req.ServerAssignor != nil {
		p.assignor = req.ServerAssignor
	}
	if req.SubscribedTopicNames != nil {
		p.topics = names(req.SubscribedTopicNames)
	}
	if req.SubscribedTopicRegex != nil {
		p.regex = *req.SubscribedTopicRegex
	}
	topics := c.catalog(r)
	resubscribed := c.setProfile(g, m, p, topics, r.Meta)
	c.updateTarget(g, topics)
	c.reconcile(g, m, owned, resubscribed, topics)
	c.touchConsumer(g, m)
	c.append(g)

	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	resp.MemberID, resp.MemberEpoch = &m.id, m.epoch
	resp.HeartbeatIntervalMillis = int32(c.times(g).Heartbeat.Milliseconds())
	full := req.RebalanceTimeoutMillis >= 0 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil) && req.Topics != nil
	if req.MemberEpoch == joiningEpoch || full || !m.assigned.sameKeys(before) {
		resp.Assignment = wireAssignment(m.assigned)
	}
	c.reply(g, r, resp)
}

// setProfile takes over what a member says of itself, raises the group's epoch if
// that, or the topics, ask for it, and reports whether the member's subscription has
// changed.
func (c *Core) setProfile(g *group, m *consumerMember, p profile, topics coord.Catalog, meta coord.Meta) (resubscribed bool) {
	cg := g.consumers
	resubscribed = !p.sameSubscription(&m.profile)
	raise := resubscribed || cg.epoch == 0
	if !p.equal(&m.profile) {
		cg.subscribe(m.topics, -1)
		m.profile = p
		cg.subscribe(m.topics, 1)
		if m.instance != nil {
			cg.static[*m.instance] = m
		}
		c.note(consumerKey(memberProfileKey, g.id, m.id), profileValue(&m.profile))
	}
	raise = c.updateRegexes(g, topics, meta) || raise
	c.raiseIfTopicsChanged(g, raise, topics)
	return resubscribed
}

// touchConsumer is a sign of life.
func (c *Core) touchConsumer(g *group, m *consumerMember) {
	session := c.times(g).Session
	if m.classic != nil {
		session = m.classic.session
	}
	c.timers.Set(timerKey{sessionTimer, g.id, m.id}, c.now+session)
}

// restartClocks starts the clocks of a member that was replayed.
func (c *Core) restartClocks(g *group, m *consumerMember) {
	c.touchConsumer(g, m)
	if m.classic == nil && m.state == memberUnrevoked {
		c.timers.Set(timerKey{revokeTimer, g.id, m.id}, c.now+m.rebalanceTimeout)
	}
}

func (c *Core) refuseConsumer(g *group, r coord.Request, err error) {
	c.reply(g, r, consumerRefusal(r.Body.(*kmsg.ConsumerGroupHeartbeatRequest), code(err), err.Error()))
}

func consumerRefusal(req *kmsg.ConsumerGroupHeartbeatRequest, code int16, why string) *kmsg.ConsumerGroupHeartbeatResponse {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	resp.ErrorCode, resp.ErrorMessage = code, &why
	return resp
}

// ownedBy is what the member says that it has.
func ownedBy(req *kmsg.ConsumerGroupHeartbeatRequest) ownership {
	if req.Topics == nil {
		return nil
	}
	owned := ownership{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			owned[topicPartition{t.TopicID, p}] = struct{}{}
		}
	}
	return owned
}

func wireAssignment(p partitions) *kmsg.ConsumerGroupHeartbeatResponseAssignment {
	a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	a.Topics = []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}
	for _, t := range byTopic(p) {
		wt := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
		wt.TopicID, wt.Partitions = t.id, slices.Clone(t.partitions)
		a.Topics = append(a.Topics, wt)
	}
	return &a
}
