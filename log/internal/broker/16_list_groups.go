package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// ListGroups (key 16): the groups that this node coordinates.
func init() {
	register(spec{
		key:    16,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "the groups of this coordinator"},
			{1, "throttle time"},
			{3, "flexible"},
			{4, "filter by state (KIP-518)"},
			{5, "filter by type (KIP-848)"},
		},
	}, listGroups)
}

func listGroups(ctx context.Context, c *call, req *kmsg.ListGroupsRequest) (kmsg.Response, error) {
	r, err := c.groups(ctx, req)
	if err != nil || c.sees(acl.Describe, acl.Cluster, acl.ClusterName) {
		return r, err
	}
	resp := r.(*kmsg.ListGroupsResponse)
	resp.Groups = slices.DeleteFunc(resp.Groups, func(g kmsg.ListGroupsResponseGroup) bool {
		return !c.sees(acl.Describe, acl.Group, g.Group)
	})
	return resp, nil
}
