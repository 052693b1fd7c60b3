package group

import (
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// Members of the classic protocol in a consumer group. Each is told by the answer to
// its heartbeat that there is something new, joins again with what it still has, and
// gets by its sync what it may read now; it never leads and waits for nobody. So a
// join is one step of reconcile, and its generation is the member's epoch.

// joinConsumers serves JoinGroup in a consumer group that has members.
func (c *Core) joinConsumers(g *group, r coord.Request, req *kmsg.JoinGroupRequest) {
	cg := g.consumers
	sub, err := c.mayJoinConsumers(cg, req)
	if err != nil {
		c.replyJoinError(g, r, err)
		return
	}
	if req.MemberID == "" && req.InstanceID == nil && req.Version >= 4 {
		resp := joinResponse(req)
		resp.MemberID, resp.ErrorCode = c.memberID(r.Meta.ClientID), kerr.MemberIDRequired.Code
		c.reply(g, r, resp)
		return
	}
	if old := c.lastConsumer(cg, req); old != nil {
		// The static member whose place it takes was the last of the consumer protocol.
		c.becomeClassic(g, []*consumerMember{old})
		c.joinNew(g, r, req)
		return
	}
	m := c.classicOf(g, r, req)
	topics := c.catalog(r)
	p := m.profile
	p.clientID, p.host, p.topics, p.regex, p.assignor = r.Meta.ClientID, r.Meta.ClientHost, names(sub.Topics), "", nil
	if req.InstanceID != nil {
		p.instance = req.InstanceID
	}
	if sub.Rack != nil {
		p.rack = sub.Rack
	}
	p.classic = &classicProfile{millis(req.SessionTimeoutMillis), req.Protocols}
	p.rebalanceTimeout = p.classic.session
	if req.Version >= 1 && req.RebalanceTimeoutMillis > 0 {
		p.rebalanceTimeout = millis(req.RebalanceTimeoutMillis)
	}
	resubscribed := c.setProfile(g, m, p, topics, r.Meta)
	c.updateTarget(g, topics)
	c.reconcile(g, m, ownedPartitions(sub, topics), resubscribed, topics)
	c.touchConsumer(g, m)
	c.timers.Clear(timerKey{revokeTimer, g.id, m.id})
	c.timers.Clear(timerKey{rejoinTimer, g.id, m.id})
	c.timers.Set(timerKey{memberSyncTimer, g.id, m.id}, c.now+m.rebalanceTimeout)
	c.append(g)
	resp := joinResponse(req)
	resp.Generation, resp.MemberID = m.epoch, m.id
	resp.ProtocolType = new(consumerProtocol)
	resp.Protocol = new(p.classic.protocol())
	c.reply(g, r, resp)
}

// mayJoinConsumers reads the member's subscription, or says why it may not join.
func (c *Core) mayJoinConsumers(cg *consumerGroup, req *kmsg.JoinGroupRequest) (sub kmsg.ConsumerMemberMetadata, err error) {
	m := cg.members[req.MemberID]
	var old *consumerMember
	if req.InstanceID != nil {
		old = cg.static[*req.InstanceID]
	}
	switch {
	case m == nil && old == nil && len(cg.members) >= c.cfg.MaxSize:
		return sub, kerr.GroupMaxSizeReached
	case req.ProtocolType != consumerProtocol || !cg.supportsClassic(req):
		return sub, kerr.InconsistentGroupProtocol
	case sub.ReadFrom(req.Protocols[0].Metadata) != nil:
		return sub, kerr.InconsistentGroupProtocol
	case req.InstanceID == nil || req.MemberID == "":
	case old == nil:
		return sub, kerr.UnknownMemberID
	case old.id != req.MemberID:
		return sub, kerr.FencedInstanceID
	}
	return sub, nil
}

// supportsClassic reports whether the member shares a protocol with all others of the
// classic protocol, so that the group can become a classic one.
func (cg *consumerGroup) supportsClassic(req *kmsg.JoinGroupRequest) bool {
	for _, p := range req.Protocols {
		common := true
		for _, m := range cg.members {
			if m.classic != nil && m.id != req.MemberID && !m.classic.supports(p.Name) {
				common = false
			}
		}
		if common {
			return true
		}
	}
	return false
}

func (p *classicProfile) supports(name string) bool {
	for _, q := range p.protocols {
		if q.Name == name {
			return true
		}
	}
	return false
}

// lastConsumer is the static member that the join replaces, if it is the last of the
// consumer protocol.
func (c *Core) lastConsumer(cg *consumerGroup, req *kmsg.JoinGroupRequest) *consumerMember {
	if req.InstanceID == nil || req.MemberID != "" {
		return nil
	}
	old := cg.static[*req.InstanceID]
	if old == nil || old.classic != nil || cg.classicMembers() != len(cg.members)-1 || len(cg.members) == 1 {
		return nil
	}
	return old
}

// classicOf is the member that joins, made if it is new. A static member's process
// that has been replaced by this one has nothing any more.
func (c *Core) classicOf(g *group, r coord.Request, req *kmsg.JoinGroupRequest) *consumerMember {
	id := req.MemberID
	if id == "" && req.InstanceID != nil {
		id = c.memberID(*req.InstanceID)
	} else if id == "" {
		id = c.memberID(r.Meta.ClientID)
	}
	return c.consumerOf(g, id, req.InstanceID, true)
}

// ownedPartitions is what the member says that it still has. Members of the eager
// protocols have given everything up before they join.
func ownedPartitions(sub kmsg.ConsumerMemberMetadata, topics coord.Topics) ownership {
	owned := ownership{}
	for _, t := range sub.OwnedPartitions {
		if id, _, ok := topics.Topic(t.Topic); ok {
			for _, p := range t.Partitions {
				owned[topicPartition{id, p}] = struct{}{}
			}
		}
	}
	return owned
}

// classicMember finds a member of the classic protocol of a consumer group.
func (cg *consumerGroup) classicMember(id string, instance *string, generation int32) (*consumerMember, error) {
	m := cg.members[id]
	if instance != nil {
		static := cg.static[*instance]
		switch {
		case static == nil:
			return nil, kerr.UnknownMemberID
		case static != m:
			return nil, kerr.FencedInstanceID
		}
	}
	switch {
	case m == nil || m.classic == nil:
		return nil, kerr.UnknownMemberID
	case generation != m.epoch:
		return nil, kerr.IllegalGeneration
	}
	return m, nil
}

// mustRejoin starts the time in which a member has to join again.
func (c *Core) mustRejoin(g *group, m *consumerMember) {
	key := timerKey{rejoinTimer, g.id, m.id}
	if !c.timers.Has(key) {
		c.timers.Set(key, c.now+m.rebalanceTimeout)
	}
}

// syncConsumers serves SyncGroup in a consumer group.
func (c *Core) syncConsumers(g *group, r coord.Request, req *kmsg.SyncGroupRequest) {
	cg := g.consumers
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.MemberAssignment = []byte{}
	m, err := cg.classicMember(req.MemberID, req.InstanceID, req.Generation)
	switch {
	case err != nil:
	case req.ProtocolType != nil && *req.ProtocolType != consumerProtocol,
		req.Protocol != nil && *req.Protocol != m.classic.protocol():
		err = kerr.InconsistentGroupProtocol
	case cg.epoch > m.epoch && m.state != memberUnrevoked:
		c.mustRejoin(g, m)
		err = kerr.RebalanceInProgress
	default:
		c.timers.Clear(timerKey{memberSyncTimer, g.id, m.id})
		c.touchConsumer(g, m)
		resp.ProtocolType = new(consumerProtocol)
		resp.Protocol = new(m.classic.protocol())
		resp.MemberAssignment = assignmentBytes(m.assigned, m.classic.protocols[0].Metadata, c.catalog(r))
	}
	resp.ErrorCode = code(err)
	c.reply(g, r, resp)
}

// beatConsumers is Heartbeat in a consumer group: the member must join again when the
// group has a new epoch, when it has to give something up, or when what it waits for
// is free.
func (c *Core) beatConsumers(g *group, req *kmsg.HeartbeatRequest) error {
	cg := g.consumers
	m, err := cg.classicMember(req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		return err
	}
	c.touchConsumer(g, m)
	if m.epoch < cg.epoch || m.state == memberUnrevoked || m.state == memberUnreleased && !cg.waits(m) {
		c.mustRejoin(g, m)
		return kerr.RebalanceInProgress
	}
	return nil
}

// waits reports whether something of the member's target is still with another.
func (cg *consumerGroup) waits(m *consumerMember) bool {
	for tp := range cg.target[m.id] {
		if !m.assigned.has(tp) && !cg.free(tp, m) {
			return true
		}
	}
	return false
}

// leaveConsumers serves LeaveGroup in a consumer group, for members of both
// protocols.
func (c *Core) leaveConsumers(g *group, leaving []kmsg.LeaveGroupRequestMember) []error {
	cg := g.consumers
	errs := make([]error, len(leaving))
	var gone []*consumerMember
	seen := map[*consumerMember]bool{}
	for i, l := range leaving {
		m := cg.members[l.MemberID]
		if l.InstanceID != nil {
			static := cg.static[*l.InstanceID]
			switch {
			case static == nil:
				m = nil
			case l.MemberID != "" && static != m:
				errs[i] = kerr.FencedInstanceID
				continue
			default:
				m = static
			}
		}
		if m == nil || seen[m] {
			errs[i] = kerr.UnknownMemberID
			continue
		}
		seen[m] = true
		gone = append(gone, m)
	}
	c.fence(g, gone...)
	c.append(g)
	return errs
}

// catalog is the metadata as the sender of a request saw it, or as it was seen last.
func (c *Core) catalog(r coord.Request) coord.Catalog {
	if t, ok := r.Topics.(coord.Catalog); ok {
		c.latest = t
	}
	return c.latest
}

// nowhere is the metadata before the first request has brought any.
type nowhere struct{}

func (nowhere) Name([16]byte) (string, bool)         { return "", false }
func (nowhere) Topic(string) ([16]byte, int32, bool) { return [16]byte{}, 0, false }
func (nowhere) Names() iter.Seq[string]              { return func(func(string) bool) {} }
func (nowhere) Version() uint64                      { return 1 }
