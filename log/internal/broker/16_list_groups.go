package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
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
	return c.groups(ctx, req)
}
