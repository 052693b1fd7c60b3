package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// OffsetForLeaderEpoch (key 23): where a leader epoch ends, so that a client finds
// out whether what it has read was truncated (KIP-320).
func init() {
	register(spec{
		key:    23,
		levels: []levelRange{{level: 1, min: 2, max: 4}},
		changes: []change{
			{2, "the leader epoch that the client believes in; throttle time"},
			{3, "replica id"},
			{4, "flexible"},
		},
	}, offsetForLeaderEpoch)
}

func offsetForLeaderEpoch(_ context.Context, c *call, req *kmsg.OffsetForLeaderEpochRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	resp.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{}
	// Brokers may ask about every topic; consumers about those that they may describe.
	find := c.find
	if !c.sees(acl.ClusterAction, acl.Cluster, acl.ClusterName) {
		find = func(byID bool, id [16]byte, name string) (*meta.Topic, *kerr.Error) {
			return c.findFor(acl.Describe, byID, id, name)
		}
	}
	for _, rt := range req.Topics {
		pt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		pt.Topic = rt.Topic
		pt.Partitions = []kmsg.OffsetForLeaderEpochResponseTopicPartition{}
		t, unknown := find(false, [16]byte{}, rt.Topic)
		for _, rp := range rt.Partitions {
			pp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			pp.Partition, pp.LeaderEpoch, pp.EndOffset = rp.Partition, noEpoch, offsetUnknown
			var err error = unknown
			if unknown == nil {
				err = c.epochEnd(t, rp, &pp)
			}
			if err != nil {
				pp.ErrorCode, _ = refusal(err)
			}
			pt.Partitions = append(pt.Partitions, pp)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	return resp, nil
}

func (c *call) epochEnd(t *meta.Topic, rp kmsg.OffsetForLeaderEpochRequestTopicPartition,
	pp *kmsg.OffsetForLeaderEpochResponseTopicPartition,
) error {
	p, err := c.led(t, rp.Partition, rp.CurrentLeaderEpoch)
	if err != nil {
		return err
	}
	if found, end := p.OffsetForEpoch(rp.LeaderEpoch); found >= 0 && end >= 0 {
		pp.LeaderEpoch, pp.EndOffset = found, end
	}
	return nil
}
