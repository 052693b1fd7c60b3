package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DescribeProducers (key 61): who writes to a partition, and whose open transaction
// holds back its last stable offset (KIP-664).
func init() {
	register(spec{
		key:     61,
		levels:  []levelRange{{level: 1, min: 0, max: 0}},
		changes: []change{{0, "the producers that a partition remembers; flexible"}},
	}, describeProducers)
}

func describeProducers(_ context.Context, c *call, req *kmsg.DescribeProducersRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	resp.Topics = []kmsg.DescribeProducersResponseTopic{}
	type partition struct {
		topic string
		index int32
	}
	seen := map[partition]bool{} // one that is named again is not described again
	for _, rt := range req.Topics {
		pt := kmsg.NewDescribeProducersResponseTopic()
		pt.Topic, pt.Partitions = rt.Topic, []kmsg.DescribeProducersResponseTopicPartition{}
		for _, index := range rt.Partitions {
			if id := (partition{rt.Topic, index}); !seen[id] {
				seen[id] = true
				pt.Partitions = append(pt.Partitions, c.producersOf(rt.Topic, index))
			}
		}
		resp.Topics = append(resp.Topics, pt)
	}
	return resp, nil
}

func (c *call) producersOf(topic string, index int32) kmsg.DescribeProducersResponseTopicPartition {
	pp := kmsg.NewDescribeProducersResponseTopicPartition()
	pp.Partition, pp.ActiveProducers = index, []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{}
	if !validTopicName(topic) {
		pp.ErrorCode, pp.ErrorMessage = kerr.InvalidTopicException.Code, new("no topic can have this name")
		return pp
	}
	if !c.allowed(acl.Read, acl.Topic, topic) {
		pp.ErrorCode, pp.ErrorMessage = kerr.TopicAuthorizationFailed.Code, new("reading the topic is not allowed")
		return pp
	}
	t, unknown := c.find(false, [16]byte{}, topic)
	if unknown != nil {
		pp.ErrorCode = unknown.Code
		return pp
	}
	p, err := c.led(t, index, noEpoch)
	if err != nil {
		pp.ErrorCode, pp.ErrorMessage = refusal(err)
		return pp
	}
	for _, known := range p.Producers() {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch = known.ID, int32(known.Epoch)
		ap.LastSequence, ap.LastTimestamp = known.LastSequence, known.LastTimestampMs
		ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = known.CoordinatorEpoch, known.TransactionStart
		pp.ActiveProducers = append(pp.ActiveProducers, ap)
	}
	return pp
}
