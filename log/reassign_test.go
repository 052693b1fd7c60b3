package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestElections(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	elect := func(version int16, kind int8, topic string, partitions ...int32) *kmsg.ElectLeadersResponse {
		req := kmsg.NewPtrElectLeadersRequest()
		req.ElectionType = kind
		if topic != "" {
			rt := kmsg.NewElectLeadersRequestTopic()
			rt.Topic, rt.Partitions = topic, partitions
			req.Topics = append(req.Topics, rt)
		}
		return ask[*kmsg.ElectLeadersResponse](w, version, req)
	}
	for v := range int16(3) {
		for kind := range int8(2) {
			resp := elect(v, kind, "t", 0, 1)
			if p := resp.Topics[0].Partitions; p[0].ErrorCode != kerr.ElectionNotNeeded.Code || p[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
				t.Errorf("v%d kind %d: %+v", v, kind, p)
			}
		}
		if got := elect(v, 0, "nowhere", 0).Topics[0].Partitions[0].ErrorCode; got != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("v%d: a topic that is not there: error %d", v, got)
		}
		if resp := elect(v, 0, ""); resp.ErrorCode != 0 || len(resp.Topics) != 0 {
			t.Errorf("v%d: all partitions: %+v", v, resp)
		}
	}
	if got := elect(2, 7, "t", 0); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("election type 7: error %d", got.ErrorCode)
	}
}

func TestReassignments(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for _, c := range []struct {
		name      string
		topic     string
		partition int32
		replicas  []int32
		want      *kerr.Error
	}{
		{"where it is", "t", 0, []int32{1}, nil},
		{"nowhere", "t", 0, []int32{}, kerr.InvalidReplicaAssignment},
		{"to a node that is not there", "t", 0, []int32{2}, kerr.InvalidReplicaAssignment},
		{"to more nodes than there are", "t", 0, []int32{1, 2}, kerr.InvalidReplicaAssignment},
		{"twice to the same node", "t", 0, []int32{1, 1}, kerr.InvalidReplicaAssignment},
		{"to node -1", "t", 0, []int32{-1}, kerr.InvalidReplicaAssignment},
		{"a partition that is not there", "t", 1, []int32{1}, kerr.UnknownTopicOrPartition},
		{"a topic that is not there", "nowhere", 0, []int32{1}, kerr.UnknownTopicOrPartition},
		{"stop", "t", 0, nil, kerr.NoReassignmentInProgress},
		{"stop what is not there", "nowhere", 0, nil, kerr.UnknownTopicOrPartition},
	} {
		for v := range int16(2) {
			req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
			rt.Topic = c.topic
			rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			rp.Partition, rp.Replicas = c.partition, c.replicas
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
			resp := ask[*kmsg.AlterPartitionAssignmentsResponse](w, v, req)
			got := resp.Topics[0].Partitions[0]
			want := int16(0)
			if c.want != nil {
				want = c.want.Code
			}
			if resp.ErrorCode != 0 || got.ErrorCode != want || (want != 0) != (got.ErrorMessage != nil) {
				t.Errorf("%s, v%d: %+v", c.name, v, got)
			}
		}
	}
	list := kmsg.NewPtrListPartitionReassignmentsRequest()
	if resp := ask[*kmsg.ListPartitionReassignmentsResponse](w, 0, list); resp.ErrorCode != 0 || len(resp.Topics) != 0 {
		t.Errorf("under way: %+v", resp)
	}
}
