package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit (key 8): a group remembers how far it has read.
func init() {
	register(spec{
		key:    8,
		levels: []levelRange{{level: 1, min: 2, max: 10}},
		changes: []change{
			{2, "offsets with a retention time, which is ignored"},
			{3, "throttle time"},
			{5, "no retention time: offsets expire when the group is empty (KIP-211)"},
			{6, "leader epoch of the committed offset (KIP-320)"},
			{7, "static members (KIP-345)"},
			{8, "flexible"},
			{9, "groups of KIP-848, which are not served yet"},
			{10, "topics by id alone"},
		},
	}, offsetCommit)
}

func offsetCommit(ctx context.Context, c *call, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	return c.groups(ctx, req)
}
