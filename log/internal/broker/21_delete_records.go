package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// DeleteRecords (key 21): the log start moves up. Kafka Streams and our engine
// trim their repartition topics with it.
func init() {
	register(spec{
		key:    21,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "delete what is before an offset; -1 means everything committed"},
			{1, "throttle time is applied by the client"},
			{2, "flexible"},
		},
	}, deleteRecords)
}

func deleteRecords(_ context.Context, c *call, req *kmsg.DeleteRecordsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	resp.Topics = []kmsg.DeleteRecordsResponseTopic{}
	for _, rt := range req.Topics {
		pt := kmsg.NewDeleteRecordsResponseTopic()
		pt.Topic = rt.Topic
		pt.Partitions = []kmsg.DeleteRecordsResponseTopicPartition{}
		t, unknown := c.findFor(acl.Delete, false, [16]byte{}, rt.Topic)
		for _, rp := range rt.Partitions {
			pp := kmsg.NewDeleteRecordsResponseTopicPartition()
			pp.Partition, pp.LowWatermark = rp.Partition, -1
			var err error = unknown
			if unknown == nil {
				pp.LowWatermark, err = c.deleteBefore(t, rp.Partition, rp.Offset)
			}
			if err != nil {
				pp.LowWatermark = -1
				pp.ErrorCode, _ = refusal(err)
			}
			pt.Partitions = append(pt.Partitions, pp)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	return resp, nil
}

func (c *call) deleteBefore(t *meta.Topic, index int32, offset int64) (int64, error) {
	if t.Internal {
		return 0, kerr.InvalidTopicException
	}
	p, err := c.led(t, index, noEpoch)
	switch {
	case err != nil:
		return 0, err
	case !t.Cleans("delete"):
		return 0, kerr.PolicyViolation
	}
	return p.DeleteRecords(offset)
}
