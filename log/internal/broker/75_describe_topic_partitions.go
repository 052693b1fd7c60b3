package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// DescribeTopicPartitions (key 75): the partitions of topics, page by page, with the
// replicas that may lead although they are not in sync (KIP-966).
func init() {
	register(spec{
		key:         75,
		answerBytes: 2 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 0}},
		changes:     []change{{0, "topics by name from a cursor on, a bounded number of partitions in one answer; flexible"}},
	}, describeTopicPartitions)
}

// maxDescribedPartitions bounds the partitions of one answer, as Kafka's default of
// max.request.partition.size.limit does.
const maxDescribedPartitions = 2000

func describeTopicPartitions(_ context.Context, c *call, req *kmsg.DescribeTopicPartitionsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	if req.Cursor != nil && (req.Cursor.Partition < 0 || !coversCursor(req)) {
		for _, rt := range req.Topics {
			resp.Topics = append(resp.Topics, refusedTopic(rt.Topic, kerr.InvalidRequest))
		}
		return resp, nil
	}
	p := page{call: c, resp: resp, left: min(max(int(req.ResponsePartitionLimit), 1), maxDescribedPartitions)}
	for _, name := range c.topicsFrom(req) {
		first := int32(0)
		if req.Cursor != nil && req.Cursor.Topic == name {
			first = req.Cursor.Partition
		}
		if !p.add(name, first, len(req.Topics) == 0) {
			break
		}
	}
	return resp, nil
}

// coversCursor tells whether the topic at which a request goes on is among those that it
// names, if it names any.
func coversCursor(req *kmsg.DescribeTopicPartitionsRequest) bool {
	return len(req.Topics) == 0 || slices.ContainsFunc(req.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool {
		return t.Topic == req.Cursor.Topic
	})
}

// topicsFrom are the names that a request wants described, in order, from its cursor
// on: those that it names, or all.
func (c *call) topicsFrom(req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for _, rt := range req.Topics {
		names = append(names, rt.Topic)
	}
	if len(req.Topics) == 0 {
		for t := range c.image().Topics() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if req.Cursor != nil {
		from, _ := slices.BinarySearch(names, req.Cursor.Topic)
		names = names[from:]
	}
	return names
}

// page is an answer in the making.
type page struct {
	*call
	resp *kmsg.DescribeTopicPartitionsResponse
	left int // partitions that it still takes
}

// add describes a topic from a partition on; with quiet it leaves out what the caller
// may not see. It reports false once the page is full.
func (p *page) add(name string, first int32, quiet bool) bool {
	if p.left == 0 {
		p.next(name, 0)
		return false
	}
	t := p.image().TopicByName(name)
	var err *kerr.Error
	switch {
	case quiet && !p.sees(acl.Describe, acl.Topic, name), !quiet && !p.allowed(acl.Describe, acl.Topic, name):
		err = kerr.TopicAuthorizationFailed
	case t == nil && !validTopicName(name):
		err = kerr.InvalidTopicException
	case t == nil:
		err = kerr.UnknownTopicOrPartition
	}
	if err != nil {
		if !quiet {
			p.resp.Topics = append(p.resp.Topics, refusedTopic(name, err))
		}
		return true
	}
	dt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	dt.Topic, dt.TopicID, dt.IsInternal = &t.Name, t.ID, t.Internal
	dt.AuthorizedOperations = p.operations(acl.Topic, t.Name)
	dt.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	from := min(int(first), len(t.Partitions))
	to := min(from+p.left, len(t.Partitions))
	for _, state := range t.Partitions[from:to] {
		dt.Partitions = append(dt.Partitions, describePartition(state))
	}
	p.left -= to - from
	p.resp.Topics = append(p.resp.Topics, dt)
	if to < len(t.Partitions) {
		p.next(name, int32(to))
		return false
	}
	return true
}

// next says where the next page begins.
func (p *page) next(topic string, partition int32) {
	cursor := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	cursor.Topic, cursor.Partition = topic, partition
	p.resp.NextCursor = &cursor
}

func refusedTopic(name string, err *kerr.Error) kmsg.DescribeTopicPartitionsResponseTopic {
	dt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	dt.Topic, dt.ErrorCode = &name, err.Code
	dt.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	return dt
}

// describePartition has no null: the Java client cannot read one here.
func describePartition(p *meta.Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	dp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	dp.Partition, dp.LeaderID, dp.LeaderEpoch = p.Index, p.Leader, p.LeaderEpoch
	if p.Leader < 0 {
		dp.ErrorCode = kerr.LeaderNotAvailable.Code
	}
	dp.Replicas = make([]int32, len(p.Replicas))
	for i, r := range p.Replicas {
		dp.Replicas[i] = r.NodeID
	}
	dp.ISR = append([]int32{}, p.ISR...)
	dp.EligibleLeaderReplicas = append([]int32{}, p.ELR...)
	dp.LastKnownELR = []int32{}
	if p.LastKnownLeader >= 0 {
		dp.LastKnownELR = append(dp.LastKnownELR, p.LastKnownLeader)
	}
	dp.OfflineReplicas = []int32{}
	return dp
}
