package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch (key 9): how far a group has read. A group that was never seen has
// read nothing, which is offset -1 and no error.
func init() {
	register(spec{
		key:    9,
		levels: []levelRange{{level: 1, min: 1, max: 10}},
		changes: []change{
			{1, "offsets from the internal topic"},
			{2, "null topics means all; an error code for the group"},
			{3, "throttle time"},
			{5, "leader epoch of the committed offset (KIP-320)"},
			{6, "flexible"},
			{7, "require_stable: no offset that an open transaction may replace (KIP-447)"},
			{8, "many groups at once (KIP-709)"},
			{9, "member id and epoch of KIP-848 groups, which are not served yet"},
			{10, "topics by id alone"},
		},
	}, offsetFetch)
}

func offsetFetch(ctx context.Context, c *call, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	return c.groups(ctx, req)
}
