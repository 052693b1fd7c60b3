package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// ElectLeaders (key 43): partitions go back to the leader that they prefer, or get
// one although none is in sync (KIP-460).
func init() {
	register(spec{
		key:    43,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "the preferred leaders"},
			{1, "the type of the election; an error code for the whole response"},
			{2, "flexible"},
		},
		deviations: []string{"A partition has one replica, which leads: every election is answered ELECTION_NOT_NEEDED."},
	}, electLeaders)
}

// Types of elections.
const (
	electPreferred = 0
	electUnclean   = 1
)

func electLeaders(_ context.Context, c *call, req *kmsg.ElectLeadersRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	resp.Topics = []kmsg.ElectLeadersResponseTopic{}
	if req.Version == 0 {
		req.ElectionType = electPreferred
	}
	switch {
	case !c.allowedOnCluster(acl.Alter):
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	case req.ElectionType != electPreferred && req.ElectionType != electUnclean:
		resp.ErrorCode = kerr.InvalidRequest.Code
	case req.Topics == nil:
		resp.Topics = electAll(c.image(), req.ElectionType)
	default:
		for _, rt := range req.Topics {
			et := kmsg.NewElectLeadersResponseTopic()
			et.Topic, et.Partitions = rt.Topic, []kmsg.ElectLeadersResponseTopicPartition{}
			for _, index := range rt.Partitions {
				et.Partitions = append(et.Partitions, election(index, elect(c.image(), rt.Topic, index, req.ElectionType)))
			}
			resp.Topics = append(resp.Topics, et)
		}
	}
	if resp.ErrorCode != 0 && req.Version == 0 { // which has no place for it but the partitions
		resp.Topics = refuseElections(req, resp.ErrorCode)
	}
	return resp, nil
}

// electAll elects leaders for all partitions. Those that need none are left out.
func electAll(im *meta.Image, kind int8) []kmsg.ElectLeadersResponseTopic {
	topics := []kmsg.ElectLeadersResponseTopic{}
	for t := range im.Topics() {
		et := kmsg.NewElectLeadersResponseTopic()
		et.Topic = t.Name
		for _, p := range t.Partitions {
			if err := elect(im, t.Name, p.Index, kind); err.Code != kerr.ElectionNotNeeded {
				et.Partitions = append(et.Partitions, election(p.Index, err))
			}
		}
		if len(et.Partitions) > 0 {
			topics = append(topics, et)
		}
	}
	return topics
}

// elect says why a partition keeps the leader that it has. No other can be elected:
// the only node that can be in sync is this one.
func elect(im *meta.Image, topic string, index int32, kind int8) *meta.Refusal {
	t := im.TopicByName(topic)
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return &meta.Refusal{Code: kerr.UnknownTopicOrPartition, Reason: fmt.Sprintf("there is no partition %s-%d", topic, index)}
	}
	switch p := t.Partitions[index]; {
	case kind == electPreferred && p.Leader == p.Replicas[0].NodeID, kind == electUnclean && p.Leader >= 0:
		return &meta.Refusal{Code: kerr.ElectionNotNeeded, Reason: fmt.Sprintf("node %d leads the partition already", p.Leader)}
	case kind == electPreferred:
		return &meta.Refusal{Code: kerr.PreferredLeaderNotAvailable, Reason: fmt.Sprintf("node %d is not in sync", p.Replicas[0].NodeID)}
	}
	return &meta.Refusal{Code: kerr.EligibleLeadersNotAvailable, Reason: "no replica is there to lead"}
}

func election(index int32, err *meta.Refusal) kmsg.ElectLeadersResponseTopicPartition {
	ep := kmsg.NewElectLeadersResponseTopicPartition()
	ep.Partition = index
	ep.ErrorCode, ep.ErrorMessage = refusal(err)
	return ep
}

// refuseElections gives every partition of a request the same error.
func refuseElections(req *kmsg.ElectLeadersRequest, code int16) []kmsg.ElectLeadersResponseTopic {
	topics := []kmsg.ElectLeadersResponseTopic{}
	for _, rt := range req.Topics {
		et := kmsg.NewElectLeadersResponseTopic()
		et.Topic, et.Partitions = rt.Topic, []kmsg.ElectLeadersResponseTopicPartition{}
		for _, index := range rt.Partitions {
			ep := kmsg.NewElectLeadersResponseTopicPartition()
			ep.Partition, ep.ErrorCode = index, code
			et.Partitions = append(et.Partitions, ep)
		}
		topics = append(topics, et)
	}
	return topics
}
