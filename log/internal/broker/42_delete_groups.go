package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DeleteGroups (key 42): empty groups and their offsets go.
func init() {
	register(spec{
		key:    42,
		levels: []levelRange{{level: 1, min: 0, max: 3}},
		changes: []change{
			{0, "empty groups and their offsets go"},
			{1, "throttle time"},
			{2, "flexible"},
			{3, "a message beside the error code"},
		},
	}, deleteGroups)
}

func deleteGroups(ctx context.Context, c *call, req *kmsg.DeleteGroupsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups = []kmsg.DeleteGroupsResponseGroup{}
	seen := map[string]bool{}
	for _, id := range req.Groups {
		if seen[id] {
			continue // deleted once, as in Kafka
		}
		seen[id] = true
		one := *req
		one.Groups = []string{id}
		r, err := c.groupsFor(ctx, acl.Delete, id, &one)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.DeleteGroupsResponse).Groups...)
	}
	return resp, nil
}
