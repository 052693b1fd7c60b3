package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// LeaveGroup, versions 0-5. 3: several members at once, named by instance too, so
// that an administrator can remove them (KIP-345). 5: a reason.

func (c *Core) leave(r coord.Request, req *kmsg.LeaveGroupRequest) {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	resp.Members = []kmsg.LeaveGroupResponseMember{}
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		c.reply(nil, r, resp)
		return
	}
	g := c.groups[req.Group]
	leaving := req.Members
	if req.Version < 3 {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = req.MemberID
		leaving = []kmsg.LeaveGroupRequestMember{one}
	}
	errs := c.leaveAll(g, leaving)
	for i, l := range leaving {
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID, m.ErrorCode = l.MemberID, l.InstanceID, code(errs[i])
		resp.Members = append(resp.Members, m)
	}
	if req.Version < 3 {
		resp.ErrorCode = resp.Members[0].ErrorCode
		resp.Members = []kmsg.LeaveGroupResponseMember{}
	}
	c.reply(g, r, resp)
}

// leaveAll removes members and says of each why it could not be.
func (c *Core) leaveAll(g *group, leaving []kmsg.LeaveGroupRequestMember) []error {
	if g != nil && g.consumers != nil {
		return c.leaveConsumers(g, leaving)
	}
	errs := make([]error, len(leaving))
	removed := false
	for i, l := range leaving {
		errs[i] = kerr.UnknownMemberID
		if g != nil {
			errs[i] = c.leaveOne(g, l)
		}
		removed = removed || errs[i] == nil
	}
	if removed {
		c.afterRemoval(g)
	}
	return errs
}

func (c *Core) leaveOne(g *group, l kmsg.LeaveGroupRequestMember) error {
	if _, ok := g.pending[l.MemberID]; ok && l.InstanceID == nil {
		c.clearPending(g, l.MemberID)
		return nil
	}
	if l.InstanceID != nil && l.MemberID == "" {
		m := g.static[*l.InstanceID]
		if m == nil {
			return kerr.UnknownMemberID
		}
		c.removeMember(g, m, kerr.UnknownMemberID)
		return nil
	}
	m, err := g.validate(l.MemberID, l.InstanceID)
	if err == nil {
		c.removeMember(g, m, kerr.UnknownMemberID)
	}
	return err
}
