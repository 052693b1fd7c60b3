package group

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// JoinGroup, versions 0-9. 1: a rebalance timeout of its own. 4: a first join gets a
// member id and an error (KIP-394). 5: static members (KIP-345). 7: the protocol
// type in the answer. 8: a reason. 9: a static leader that comes back may be told to
// skip the assignment (KIP-814).

func (c *Core) join(r coord.Request, req *kmsg.JoinGroupRequest) {
	if err := c.checkJoin(req); err != nil {
		c.replyJoinError(nil, r, err)
		return
	}
	g := c.groups[req.Group]
	switch {
	case g != nil && g.consumers != nil && !g.empty():
		c.joinConsumers(g, r, req)
		return
	case req.MemberID != "" && (g == nil || g.consumers != nil):
		c.replyJoinError(g, r, kerr.UnknownMemberID)
		return
	case g == nil:
		g = c.group(req.Group)
	case g.consumers != nil:
		c.dropConsumers(g)
		c.append(g)
	}
	switch {
	case !c.hasRoom(g, req):
		c.replyJoinError(g, r, kerr.GroupMaxSizeReached)
	case !g.supports(req.ProtocolType, req.Protocols) && !g.alone(req):
		c.replyJoinError(g, r, kerr.InconsistentGroupProtocol)
	case req.MemberID == "":
		c.joinNew(g, r, req)
	default:
		c.joinAgain(g, r, req)
	}
	c.tidy(g)
}

func (c *Core) checkJoin(req *kmsg.JoinGroupRequest) error {
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	switch {
	case req.Group == "":
		return kerr.InvalidGroupID
	case session < c.cfg.MinSession || session > c.cfg.MaxSession:
		return kerr.InvalidSessionTimeout
	case req.ProtocolType == "" || len(req.Protocols) == 0:
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// hasRoom reports whether the group may take the member. One that is in it already
// always may come back, as long as those that came back before left it a place.
func (c *Core) hasRoom(g *group, req *kmsg.JoinGroupRequest) bool {
	if req.InstanceID != nil && g.static[*req.InstanceID] != nil {
		return true
	}
	if _, ok := g.pending[req.MemberID]; ok || g.member(req.MemberID) != nil {
		return true
	}
	return len(g.members)+len(g.pending) < c.cfg.MaxSize
}

// alone reports whether the only member of the group is the one that joins again,
// which may then choose other protocols.
func (g *group) alone(req *kmsg.JoinGroupRequest) bool {
	if len(g.members) != 1 {
		return false
	}
	m := g.members[0]
	return m.id == req.MemberID || m.instance != nil && req.InstanceID != nil && *m.instance == *req.InstanceID
}

// joinNew serves a join without a member id.
func (c *Core) joinNew(g *group, r coord.Request, req *kmsg.JoinGroupRequest) {
	if req.InstanceID != nil {
		id := c.memberID(*req.InstanceID)
		if old := g.static[*req.InstanceID]; old != nil {
			c.replaceStatic(g, old, id, r, req)
			return
		}
		c.addMember(g, id, r, req)
		return
	}
	id := c.memberID(r.Meta.ClientID)
	if req.Version >= 4 {
		g.pending[id] = struct{}{}
		c.timers.Set(timerKey{pendingTimer, g.id, id}, c.now+millis(req.SessionTimeoutMillis))
		resp := joinResponse(r.Body)
		resp.MemberID, resp.ErrorCode = id, kerr.MemberIDRequired.Code
		c.reply(g, r, resp)
		return
	}
	c.addMember(g, id, r, req)
}

// joinAgain serves a join with a member id.
func (c *Core) joinAgain(g *group, r coord.Request, req *kmsg.JoinGroupRequest) {
	if _, ok := g.pending[req.MemberID]; ok && req.InstanceID == nil {
		c.clearPending(g, req.MemberID)
		c.addMember(g, req.MemberID, r, req)
		return
	}
	m, err := g.validate(req.MemberID, req.InstanceID)
	if err != nil {
		c.replyJoinError(g, r, err)
		return
	}
	same := m.sameProtocols(req.Protocols)
	switch {
	case g.state == CompletingRebalance && same:
		// The answer was lost. Say it again; the generation stands.
		c.update(g, m, r, req)
		c.replyJoined(g, m, r)
	case g.state == Stable && same && m.id != g.leader:
		c.update(g, m, r, req)
		c.replyJoined(g, m, r)
	default:
		// A leader that joins again wants a new assignment, since only it sees that
		// topics have changed.
		c.update(g, m, r, req)
		c.park(m, r)
		c.rebalance(g)
	}
}

// addMember takes a new member in and starts a rebalance.
func (c *Core) addMember(g *group, id string, r coord.Request, req *kmsg.JoinGroupRequest) {
	m := &member{id: id, instance: req.InstanceID, isNew: true}
	g.add(m)
	c.update(g, m, r, req)
	c.park(m, r)
	c.touch(g, m)
	c.rebalance(g)
	if g.initialLimit != 0 {
		c.extendInitial(g)
	}
}

// replaceStatic puts a static member that came back under a new member id in the
// place of the one it was. If the protocol stays the same nobody else notices.
func (c *Core) replaceStatic(g *group, old *member, id string, r coord.Request, req *kmsg.JoinGroupRequest) {
	c.failWaiting(g, old, kerr.FencedInstanceID)
	c.timers.Clear(timerKey{sessionTimer, g.id, old.id})
	oldID, wasLeader := old.id, g.leader == old.id
	m := old
	m.id = id
	if wasLeader {
		g.leader = id
	}
	c.update(g, m, r, req)
	c.touch(g, m)
	if g.state != Stable || g.selectProtocol() != g.protocol {
		c.park(m, r)
		c.rebalance(g)
		return
	}
	c.writeMetadata(g)
	c.append(g)
	resp := c.joined(g, m, r)
	switch {
	case wasLeader && req.Version >= 9:
		resp.SkipAssignment = true
	case wasLeader:
		// Older members would compute an assignment that nobody asked for if they read
		// that they lead.
		resp.LeaderID, resp.Members = oldID, []kmsg.JoinGroupResponseMember{}
	}
	c.reply(g, r, resp)
}

// update takes over what a join says about the member. An only member decides what
// kind of group this is.
func (c *Core) update(g *group, m *member, r coord.Request, req *kmsg.JoinGroupRequest) {
	if len(g.members) == 1 {
		g.protocolType = req.ProtocolType
	}
	m.clientID, m.host = r.Meta.ClientID, r.Meta.ClientHost
	m.session = millis(req.SessionTimeoutMillis)
	m.rebalanceTimeout = m.session
	if req.Version >= 1 && req.RebalanceTimeoutMillis > 0 {
		m.rebalanceTimeout = millis(req.RebalanceTimeoutMillis)
	}
	m.protocols = req.Protocols
}

// park keeps a join until the rebalance is complete. An earlier one of the same
// member was given up by its client.
func (c *Core) park(m *member, r coord.Request) {
	if m.joining != nil {
		c.replyJoinError(nil, *m.joining, kerr.UnknownMemberID)
	}
	m.joining = &r
}

// replyJoined answers a join with the present generation.
func (c *Core) replyJoined(g *group, m *member, r coord.Request) {
	c.touch(g, m)
	c.reply(g, r, c.joined(g, m, r))
}

func (c *Core) joined(g *group, m *member, r coord.Request) *kmsg.JoinGroupResponse {
	resp := joinResponse(r.Body)
	resp.Generation = g.generation
	resp.ProtocolType = new(g.protocolType)
	resp.Protocol = new(g.protocol)
	resp.LeaderID, resp.MemberID = g.leader, m.id
	if m.id != g.leader {
		return resp
	}
	for _, o := range g.members {
		jm := kmsg.NewJoinGroupResponseMember()
		jm.MemberID, jm.InstanceID = o.id, o.instance
		jm.ProtocolMetadata = o.metadata(g.protocol)
		resp.Members = append(resp.Members, jm)
	}
	return resp
}

// joinResponse is an answer without anything that a client could trip over.
func joinResponse(req kmsg.Request) *kmsg.JoinGroupResponse {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.Generation = -1
	resp.Members = []kmsg.JoinGroupResponseMember{}
	if resp.Version < 7 {
		resp.Protocol = new("")
	}
	return resp
}

func (c *Core) replyJoinError(g *group, r coord.Request, err error) {
	resp := joinResponse(r.Body)
	resp.ErrorCode = code(err)
	resp.MemberID = r.Body.(*kmsg.JoinGroupRequest).MemberID
	c.reply(g, r, resp)
}

// validate finds a member by id, or says why it is none: unknown, or a static member
// that another process has replaced.
func (g *group) validate(id string, instance *string) (*member, error) {
	if instance != nil {
		m := g.static[*instance]
		switch {
		case m == nil:
			return nil, kerr.UnknownMemberID
		case m.id != id:
			return nil, kerr.FencedInstanceID
		}
		return m, nil
	}
	if m := g.member(id); m != nil {
		return m, nil
	}
	return nil, kerr.UnknownMemberID
}

// memberID makes an id that nobody has: the client's own name and a random UUID.
func (c *Core) memberID(prefix string) string { return prefix + "-" + c.uuid() }

func (c *Core) uuid() string {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], c.rng.Uint64())
	binary.BigEndian.PutUint64(u[8:], c.rng.Uint64())
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }
