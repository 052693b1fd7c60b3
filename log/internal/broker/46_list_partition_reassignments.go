package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// ListPartitionReassignments (key 46): the partitions that are being moved
// (KIP-455). There are none, as AlterPartitionReassignments moves none.
func init() {
	register(spec{
		key:     46,
		levels:  []levelRange{{level: 1, min: 0, max: 0}},
		changes: []change{{0, "partitions under way from some nodes to others; flexible"}},
	}, listPartitionReassignments)
}

func listPartitionReassignments(_ context.Context, c *call, req *kmsg.ListPartitionReassignmentsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	resp.Topics = []kmsg.ListPartitionReassignmentsResponseTopic{}
	if !c.allowedOnCluster(acl.Describe) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	}
	return resp, nil
}
