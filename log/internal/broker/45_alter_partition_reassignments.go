package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// AlterPartitionReassignments (key 45): partitions move to other nodes (KIP-455).
func init() {
	register(spec{
		key:    45,
		levels: []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "the replicas that partitions are to have, null to stop moving; flexible"},
			{1, "the caller may forbid another number of replicas (KIP-860)"},
		},
		deviations: []string{"There is nowhere to move to: the replicas that a partition has are taken, all others are INVALID_REPLICA_ASSIGNMENT."},
	}, alterPartitionReassignments)
}

func alterPartitionReassignments(_ context.Context, c *call, req *kmsg.AlterPartitionAssignmentsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.Topics = []kmsg.AlterPartitionAssignmentsResponseTopic{}
	mayChangeFactor := req.Version == 0 || req.AllowReplicationFactorChange
	resp.AllowReplicationFactorChange = mayChangeFactor
	if !c.allowedOnCluster(acl.Alter) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	for _, rt := range req.Topics {
		at := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		at.Topic, at.Partitions = rt.Topic, []kmsg.AlterPartitionAssignmentsResponseTopicPartition{}
		for _, rp := range rt.Partitions {
			ap := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			ap.Partition = rp.Partition
			ap.ErrorCode, ap.ErrorMessage = refusal(reassign(c.image(), rt.Topic, rp, mayChangeFactor))
			at.Partitions = append(at.Partitions, ap)
		}
		resp.Topics = append(resp.Topics, at)
	}
	return resp, nil
}

// reassign says why a partition cannot have the replicas that it is to have; nil if
// it has them.
func reassign(im *meta.Image, topic string, rp kmsg.AlterPartitionAssignmentsRequestTopicPartition, mayChangeFactor bool) error {
	t := im.TopicByName(topic)
	if t == nil || rp.Partition < 0 || int(rp.Partition) >= len(t.Partitions) {
		return refused(kerr.UnknownTopicOrPartition, fmt.Sprintf("there is no partition %s-%d", topic, rp.Partition))
	}
	have := t.Partitions[rp.Partition].Replicas
	switch {
	case rp.Replicas == nil:
		return refused(kerr.NoReassignmentInProgress, "the partition is not being moved")
	case len(rp.Replicas) == 0:
		return refused(kerr.InvalidReplicaAssignment, "a partition needs a replica")
	}
	for i, node := range rp.Replicas {
		switch {
		case im.Broker(node) == nil:
			return refused(kerr.InvalidReplicaAssignment, fmt.Sprintf("node %d is not registered", node))
		case slices.Contains(rp.Replicas[:i], node):
			return refused(kerr.InvalidReplicaAssignment, fmt.Sprintf("node %d is given twice", node))
		}
	}
	if !mayChangeFactor && len(rp.Replicas) != len(have) {
		return refused(kerr.InvalidReplicationFactor, fmt.Sprintf("the partition has %d replicas, not %d", len(have), len(rp.Replicas)))
	}
	if !slices.EqualFunc(rp.Replicas, have, func(node int32, r meta.Replica) bool { return node == r.NodeID }) {
		return refused(kerr.InvalidReplicaAssignment, "a partition stays on the nodes where it was created")
	}
	return nil
}
