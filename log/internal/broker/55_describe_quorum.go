package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// DescribeQuorum (key 55): who keeps the metadata, and how far each has got
// (KIP-595). The metadata log is raft's, not a topic; it is described as tools know
// it: partition 0 of a topic with a name of Kafka's.
func init() {
	register(spec{
		key:    55,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "leader, voters and observers of the metadata log; flexible"},
			{1, "when each was last heard of (KIP-836)"},
			{2, "directory ids, the nodes' endpoints, error messages (KIP-853)"},
		},
		deviations: []string{"The metadata log is a raft log of its own: its term is the leader epoch, its index the offset, and nobody can fetch it as a topic."},
	}, describeQuorum)
}

// metadataTopic is what Kafka's tools call the metadata log.
const metadataTopic = "__cluster_metadata"

func describeQuorum(_ context.Context, c *call, req *kmsg.DescribeQuorumRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	resp.Topics = []kmsg.DescribeQuorumResponseTopic{}
	resp.Nodes = []kmsg.DescribeQuorumResponseNode{}
	if !c.allowedOnCluster(acl.Describe) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	metadata := len(req.Topics) == 1 && req.Topics[0].Topic == metadataTopic &&
		len(req.Topics[0].Partitions) == 1 && req.Topics[0].Partitions[0].Partition == 0
	for _, rt := range req.Topics {
		qt := kmsg.NewDescribeQuorumResponseTopic()
		qt.Topic, qt.Partitions = rt.Topic, []kmsg.DescribeQuorumResponseTopicPartition{}
		for _, rp := range rt.Partitions {
			qp := newQuorumPartition(rp.Partition)
			if metadata {
				c.fillQuorum(&qp)
			} else {
				qp.ErrorCode, qp.ErrorMessage = kerr.UnknownTopicOrPartition.Code, new("only partition 0 of "+metadataTopic+" has a quorum")
			}
			qt.Partitions = append(qt.Partitions, qp)
		}
		resp.Topics = append(resp.Topics, qt)
	}
	if metadata {
		resp.Nodes = c.quorumNodes()
	}
	return resp, nil
}

func newQuorumPartition(index int32) kmsg.DescribeQuorumResponseTopicPartition {
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.Partition, p.LeaderID, p.HighWatermark = index, -1, -1
	p.CurrentVoters = []kmsg.DescribeQuorumResponseTopicPartitionReplicaState{}
	p.Observers = []kmsg.DescribeQuorumResponseTopicPartitionReplicaState{}
	return p
}

// fillQuorum describes raft in Kafka's words: an end is the offset after the last
// entry, and so is the high watermark.
func (c *call) fillQuorum(p *kmsg.DescribeQuorumResponseTopicPartition) {
	q, im := c.opts.Meta.Quorum(), c.image()
	p.LeaderEpoch, p.HighWatermark = int32(min(q.Term, 1<<31-1)), int64(q.Committed)+1
	now := time.Now().UnixMilli()
	for _, id := range q.Voters {
		v := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		v.ReplicaID, v.LogEndOffset, v.LastFetchTimestamp, v.LastCaughtUpTimestamp = -1, -1, -1, -1
		b, known := im.NodeOf(id)
		if known {
			v.ReplicaID, v.ReplicaDirectoryID = b.NodeID, b.Directory
		}
		if id == q.Leader {
			p.LeaderID = v.ReplicaID
			// Only the leader knows how far the others are, and that is this node or nobody.
			v.LogEndOffset, v.LastFetchTimestamp, v.LastCaughtUpTimestamp = int64(q.Last)+1, now, now
		}
		p.CurrentVoters = append(p.CurrentVoters, v)
	}
}

// quorumNodes are the voters with the addresses where the caller reaches them.
func (c *call) quorumNodes() []kmsg.DescribeQuorumResponseNode {
	nodes := []kmsg.DescribeQuorumResponseNode{}
	for _, id := range c.opts.Meta.Quorum().Voters {
		b, known := c.image().NodeOf(id)
		if !known {
			continue
		}
		n := kmsg.NewDescribeQuorumResponseNode()
		n.NodeID, n.Listeners = b.NodeID, c.quorumListeners(b)
		nodes = append(nodes, n)
	}
	return nodes
}

func (c *call) quorumListeners(b *meta.Broker) []kmsg.DescribeQuorumResponseNodeListener {
	listeners := []kmsg.DescribeQuorumResponseNodeListener{}
	if e, ok := c.reach(b); ok {
		l := kmsg.NewDescribeQuorumResponseNodeListener()
		l.Name, l.Host, l.Port = c.caller.Listener, e.Host, uint16(e.Port)
		listeners = append(listeners, l)
	}
	return listeners
}
