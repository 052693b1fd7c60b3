package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DescribeGroups (key 15): state and members of groups.
func init() {
	register(spec{
		key:    15,
		levels: []levelRange{{level: 1, min: 0, max: 6}},
		changes: []change{
			{0, "state, protocol and members of groups"},
			{1, "throttle time"},
			{3, "authorized operations"},
			{4, "static members (KIP-345)"},
			{5, "flexible"},
			{6, "GROUP_ID_NOT_FOUND and a message for an unknown group, which was dead before (KIP-1043)"},
		},
	}, describeGroups)
}

func describeGroups(ctx context.Context, c *call, req *kmsg.DescribeGroupsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups = []kmsg.DescribeGroupsResponseGroup{}
	for _, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		r, err := c.groupsFor(ctx, acl.Describe, id, &one)
		if err != nil {
			return nil, err
		}
		g := r.(*kmsg.DescribeGroupsResponse).Groups[0]
		if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
			g.AuthorizedOperations = c.operations(acl.Group, id)
		}
		resp.Groups = append(resp.Groups, g)
	}
	return resp, nil
}
