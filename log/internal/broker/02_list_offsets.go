package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
)

// ListOffsets (key 2): the offset of a time, or of the beginning or end.
func init() {
	register(spec{
		key:    2,
		levels: []levelRange{{level: 1, min: 1, max: 11}},
		changes: []change{
			{1, "one offset with its timestamp"},
			{2, "isolation level; throttle time"},
			{4, "leader epochs (KIP-320)"},
			{6, "flexible"},
			{7, "the record with the largest timestamp (KIP-734)"},
			{8, "the earliest local offset (KIP-405)"},
			{9, "the latest tiered offset (KIP-1005)"},
			{10, "a timeout (KIP-1075)"},
			{11, "the earliest offset that is not tiered yet (KIP-1023)"},
		},
		deviations: []string{
			"Nothing is tiered: the earliest local offset is the earliest one, and there is no latest tiered or pending one (-1).",
		},
	}, listOffsets)
}

// Timestamps with a meaning of their own.
const (
	timeLatest         = -1
	timeEarliest       = -2
	timeMax            = -3 // v7
	timeEarliestLocal  = -4 // v8
	timeLatestTiered   = -5 // v9
	timePendingUpload  = -6 // v11
	offsetUnknown      = -1
	timestampUndefined = -1
)

func listOffsets(_ context.Context, c *call, req *kmsg.ListOffsetsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	resp.Topics = []kmsg.ListOffsetsResponseTopic{}
	twice := askedTwice(req)
	for _, rt := range req.Topics {
		pt := kmsg.NewListOffsetsResponseTopic()
		pt.Topic = rt.Topic
		pt.Partitions = []kmsg.ListOffsetsResponseTopicPartition{}
		t, unknown := c.findFor(acl.Describe, false, [16]byte{}, rt.Topic)
		for _, rp := range rt.Partitions {
			pp := kmsg.NewListOffsetsResponseTopicPartition()
			pp.Partition, pp.Offset, pp.Timestamp, pp.LeaderEpoch = rp.Partition, offsetUnknown, timestampUndefined, noEpoch
			pp.OldStyleOffsets = []int64{}
			var err error = unknown
			switch {
			case unknown == kerr.TopicAuthorizationFailed:
			case twice[askedOffset{rt.Topic, rp.Partition}]:
				err = kerr.InvalidRequest
			case !knownTime(rp.Timestamp, req.Version):
				err = kerr.UnsupportedVersion
			case unknown == nil:
				err = c.listOffset(req, t, rp, &pp)
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

// knownTime tells whether a version has a time, which all from 0 on are.
func knownTime(ts int64, version int16) bool {
	switch {
	case ts == timeLatest, ts == timeEarliest, ts >= 0:
		return true
	case ts == timeMax:
		return version >= 7
	case ts == timeEarliestLocal:
		return version >= 8
	case ts == timeLatestTiered:
		return version >= 9
	}
	return ts == timePendingUpload && version >= 11
}

type askedOffset struct {
	topic     string
	partition int32
}

// askedTwice are the partitions that a request names more than once: a client could not
// tell which answer is to which of its questions.
func askedTwice(req *kmsg.ListOffsetsRequest) map[askedOffset]bool {
	twice := map[askedOffset]bool{}
	for _, rt := range req.Topics {
		for _, rp := range rt.Partitions {
			asked := askedOffset{rt.Topic, rp.Partition}
			_, again := twice[asked]
			twice[asked] = again
		}
	}
	return twice
}

func (c *call) listOffset(req *kmsg.ListOffsetsRequest, t *meta.Topic,
	rp kmsg.ListOffsetsRequestTopicPartition, pp *kmsg.ListOffsetsResponseTopicPartition,
) error {
	epoch := int32(noEpoch)
	if req.Version >= 4 {
		epoch = rp.CurrentLeaderEpoch
	}
	p, err := c.led(t, rp.Partition, epoch)
	if err != nil {
		return err
	}
	isolation := replica.ReadUncommitted
	if req.IsolationLevel == 1 {
		isolation = replica.ReadCommitted
	}
	switch ts := rp.Timestamp; {
	case ts >= 0:
		pp.Offset, pp.Timestamp, err = p.OffsetForTimestamp(ts, isolation)
	case ts == timeLatest && isolation == replica.ReadCommitted:
		pp.Offset = p.LastStable()
	case ts == timeLatest:
		pp.Offset = p.HighWatermark()
	case ts == timeEarliest, ts == timeEarliestLocal:
		pp.Offset = p.LogStart()
	case ts == timeMax:
		pp.Offset, pp.Timestamp, err = p.MaxTimestamp(isolation)
	default: // nothing is tiered
		return nil
	}
	if err != nil {
		pp.Offset, pp.Timestamp = offsetUnknown, timestampUndefined
		return err
	}
	if pp.Offset >= 0 {
		pp.LeaderEpoch = epochAt(p, pp.Offset)
	}
	return nil
}
