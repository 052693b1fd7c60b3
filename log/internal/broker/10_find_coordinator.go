package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/coord"
)

// FindCoordinator (key 10): which node keeps a group or a transactional id. That
// is the leader of the partition of the internal topic that its hash chooses.
func init() {
	register(spec{
		key:    10,
		levels: []levelRange{{level: 1, min: 0, max: 6}},
		changes: []change{
			{0, "coordinator of a group"},
			{1, "of a transactional id too; throttle time, error message"},
			{3, "flexible"},
			{4, "many keys at once (KIP-699)"},
			{5, "clients that know TRANSACTION_ABORTABLE (KIP-890)"},
			{6, "coordinators of share groups, which are refused (KIP-932)"},
		},
	}, findCoordinator)
}

const (
	coordinatorGroup       = 0
	coordinatorTransaction = 1
)

func findCoordinator(_ context.Context, c *call, req *kmsg.FindCoordinatorRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	kind := req.CoordinatorType
	if req.Version == 0 {
		kind = coordinatorGroup
	}
	if req.Version < 4 {
		f := c.coordinatorOf(kind, req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage = f.ErrorCode, f.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = f.NodeID, f.Host, f.Port
		return resp, nil
	}
	resp.Coordinators = []kmsg.FindCoordinatorResponseCoordinator{}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, c.coordinatorOf(kind, key))
	}
	return resp, nil
}

func (c *call) coordinatorOf(kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	f := kmsg.NewFindCoordinatorResponseCoordinator()
	f.Key, f.NodeID, f.Port = key, -1, -1
	fail := func(err *kerr.Error, why string) kmsg.FindCoordinatorResponseCoordinator {
		f.ErrorCode, f.ErrorMessage = err.Code, &why
		return f
	}
	var topic string
	var partition int32
	switch kind {
	case coordinatorGroup:
		if !c.allowed(acl.Describe, acl.Group, key) {
			return fail(kerr.GroupAuthorizationFailed, "no right to describe the group")
		}
		topic, partition = coord.GroupTopic, c.opts.Groups.Partition(key)
	case coordinatorTransaction:
		if !c.allowed(acl.Describe, acl.TransactionalID, key) {
			return fail(kerr.TransactionalIDAuthorizationFailed, "no right to describe the transactional id")
		}
		topic, partition = coord.TransactionTopic, c.opts.Transactions.Partition(key)
	default:
		return fail(kerr.InvalidRequest, "only groups and transactional ids have coordinators here")
	}
	im := c.image()
	t := im.TopicByName(topic)
	if t == nil || int(partition) >= len(t.Partitions) || t.Partitions[partition].Leader < 0 {
		return fail(kerr.CoordinatorNotAvailable, "the coordinator's partition has no leader")
	}
	b := im.Broker(t.Partitions[partition].Leader)
	if b == nil {
		return fail(kerr.CoordinatorNotAvailable, "the coordinator is not registered")
	}
	e, ok := c.reach(b)
	if !ok {
		return fail(kerr.CoordinatorNotAvailable, "the coordinator has no listener of this name")
	}
	f.NodeID, f.Host, f.Port = b.NodeID, e.Host, e.Port
	return f
}
