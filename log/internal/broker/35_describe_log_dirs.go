package broker

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/replica"
)

// DescribeLogDirs (key 35): how much of this node's disk each partition takes.
func init() {
	register(spec{
		key:    35,
		levels: []levelRange{{level: 1, min: 1, max: 5}},
		changes: []change{
			{1, "the directories of this node, and the size of each partition in them"},
			{2, "flexible"},
			{3, "an error code for the whole response"},
			{4, "how large the volume is and what is free of it (KIP-827)"},
			{5, "whether a directory takes no new partitions, which none here says (KIP-1066)"},
		},
		deviations: []string{"A node has one data directory. A partition's size is that of its records, without indexes."},
	}, describeLogDirs)
}

func describeLogDirs(_ context.Context, c *call, req *kmsg.DescribeLogDirsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	resp.Dirs = []kmsg.DescribeLogDirsResponseDir{}
	if !c.allowedOnCluster(acl.Describe) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	d := kmsg.NewDescribeLogDirsResponseDir()
	d.Dir = c.opts.Replicas.Dir()
	if absolute, err := filepath.Abs(d.Dir); err == nil {
		d.Dir = absolute
	}
	space, err := c.opts.Replicas.Space()
	if err != nil {
		c.opts.Logger.Warn("cannot tell how much space is left", "dir", d.Dir, "error", err)
		d.ErrorCode = kerr.KafkaStorageError.Code
	}
	d.TotalBytes, d.UsableBytes = space.Total, space.Free
	d.Topics = sizesOf(c.opts.Replicas.Partitions(), chosenDirs(req))
	resp.Dirs = append(resp.Dirs, d)
	return resp, nil
}

// chosenDirs tells which partitions a request wants to know about. Null means all.
func chosenDirs(req *kmsg.DescribeLogDirsRequest) func(topic string, partition int32) bool {
	if req.Topics == nil {
		return func(string, int32) bool { return true }
	}
	chosen := map[string][]int32{}
	for _, t := range req.Topics {
		chosen[t.Topic] = append(chosen[t.Topic], t.Partitions...)
	}
	for _, partitions := range chosen {
		slices.Sort(partitions)
	}
	return func(topic string, partition int32) bool {
		_, ok := slices.BinarySearch(chosen[topic], partition)
		return ok
	}
}

// sizesOf are the sizes of the chosen of partitions that are ordered by topic.
func sizesOf(partitions []*replica.Partition, chosen func(string, int32) bool) []kmsg.DescribeLogDirsResponseDirTopic {
	topics := []kmsg.DescribeLogDirsResponseDirTopic{}
	for _, p := range partitions {
		if !chosen(p.Topic(), p.Index()) {
			continue
		}
		if n := len(topics); n == 0 || topics[n-1].Topic != p.Topic() {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = p.Topic()
			topics = append(topics, t)
		}
		dp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		dp.Partition, dp.Size = p.Index(), p.Size()
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, dp)
	}
	return topics
}
