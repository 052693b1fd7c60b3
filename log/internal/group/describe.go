package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// DescribeGroups, versions 0-6. 3: authorized operations, which the broker fills in.
// 4: instance ids. 6: an unknown group is an error, not a dead group.

func (c *Core) describe(r coord.Request, req *kmsg.DescribeGroupsRequest) {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups = []kmsg.DescribeGroupsResponseGroup{}
	for _, id := range req.Groups {
		resp.Groups = append(resp.Groups, c.describeOne(id, req.Version))
	}
	c.out.AddAfter(c.token, core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) describeOne(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group, d.Members = id, []kmsg.DescribeGroupsResponseGroupMember{}
	g := c.groups[id]
	if g == nil || g.consumers != nil {
		d.State = "Dead"
		if version >= 6 {
			d.ErrorCode = kerr.GroupIDNotFound.Code
			d.ErrorMessage = new(notClassic(g, id))
		}
		return d
	}
	d.State, d.ProtocolType = g.state.String(), g.protocolType
	if g.state == Stable {
		d.Protocol = g.protocol
	}
	for _, m := range g.members {
		dm := kmsg.NewDescribeGroupsResponseGroupMember()
		dm.MemberID, dm.InstanceID = m.id, m.instance
		dm.ClientID, dm.ClientHost = m.clientID, m.host
		dm.ProtocolMetadata, dm.MemberAssignment = []byte{}, []byte{}
		if g.state == Stable {
			dm.ProtocolMetadata = m.metadata(g.protocol)
			dm.MemberAssignment = append(dm.MemberAssignment, m.assignment...)
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

func notClassic(g *group, id string) string {
	if g == nil {
		return "Group " + id + " not found."
	}
	return "Group " + id + " is not a classic group."
}

// ListGroups, versions 0-5. 4: filter by state. 5: by type.

func (c *Core) list(r coord.Request, req *kmsg.ListGroupsRequest) {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	resp.Groups = []kmsg.ListGroupsResponseGroup{}
	for _, id := range c.sortedIDs() {
		g := c.groups[id]
		if !wanted(req.StatesFilter, g.stateName()) || !wanted(req.TypesFilter, g.protocolName()) {
			continue
		}
		l := kmsg.NewListGroupsResponseGroup()
		l.Group, l.ProtocolType = id, g.protocolType
		if g.consumers != nil {
			l.ProtocolType = consumerProtocol
		}
		l.GroupState, l.GroupType = g.stateName(), g.protocolName()
		resp.Groups = append(resp.Groups, l)
	}
	c.out.AddAfter(c.token, core.Reply{ID: r.ID, Response: resp})
}

// wanted reports whether a filter lets a name through; an empty filter does.
func wanted(filter []string, name string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), name) })
}
