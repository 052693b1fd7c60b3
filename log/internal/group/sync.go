package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// SyncGroup, versions 0-5. 3: static members. 5: the client says which protocol it
// believes in, and is told.

func (c *Core) sync(r coord.Request, req *kmsg.SyncGroupRequest) {
	if g := c.groups[req.Group]; g != nil && g.consumers != nil {
		c.syncConsumers(g, r, req)
		return
	}
	g, m, err := c.validateSync(req)
	if err != nil {
		c.replySync(g, nil, r, err)
		return
	}
	if m.syncing != nil {
		c.replySync(g, m, *m.syncing, kerr.RebalanceInProgress)
		m.syncing = nil
	}
	m.needsSync = false
	if g.state == Stable {
		c.touch(g, m)
		c.replySync(g, m, r, nil)
		return
	}
	m.syncing = &r
	if m.id == g.leader {
		c.assign(g, req.GroupAssignment)
	}
}

func (c *Core) validateSync(req *kmsg.SyncGroupRequest) (*group, *member, error) {
	if req.Group == "" {
		return nil, nil, kerr.InvalidGroupID
	}
	g := c.groups[req.Group]
	if g == nil || g.state == Empty {
		return g, nil, kerr.UnknownMemberID
	}
	m, err := g.validate(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return g, nil, err
	case req.Generation > g.generation:
		// A crash took the generation away, between the join and the first sync that
		// would have kept it. Kafka says ILLEGAL_GENERATION, which clients pass on.
		return g, nil, kerr.RebalanceInProgress
	case req.Generation != g.generation:
		return g, nil, kerr.IllegalGeneration
	case req.ProtocolType != nil && *req.ProtocolType != g.protocolType,
		req.Protocol != nil && *req.Protocol != g.protocol:
		return g, nil, kerr.InconsistentGroupProtocol
	case g.state == PreparingRebalance:
		return g, nil, kerr.RebalanceInProgress
	}
	return g, m, nil
}

// assign makes the generation stable with the leader's assignment. Members that it
// does not name get nothing.
func (c *Core) assign(g *group, parts []kmsg.SyncGroupRequestGroupAssignment) {
	for _, m := range g.members {
		m.assignment = []byte{}
	}
	for _, p := range parts {
		if m := g.member(p.MemberID); m != nil {
			m.assignment = p.MemberAssignment
		}
	}
	c.moveTo(g, Stable)
	c.writeMetadata(g)
	c.append(g)
	for _, m := range g.members {
		if m.syncing != nil {
			c.touch(g, m)
			c.replySync(g, m, *m.syncing, nil)
			m.syncing = nil
		}
	}
}

// replySync answers a sync with the member's assignment or an error.
func (c *Core) replySync(g *group, m *member, r coord.Request, err error) {
	resp := r.Body.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.MemberAssignment = []byte{}
	resp.ErrorCode = code(err)
	if err == nil {
		resp.ProtocolType = new(g.protocolType)
		resp.Protocol = new(g.protocol)
		resp.MemberAssignment = append(resp.MemberAssignment, m.assignment...)
	}
	c.reply(g, r, resp)
}
