package log

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

func TestLogDirsHaveTheSizesOfPartitions(t *testing.T) {
	dir := t.TempDir()
	n := openNode(t, vfs.OS(), func(o *Options) { o.DataDir = dir })
	addr := serve(t, n)
	createTopic(t, addr, "t", 2, nil)
	w := dial(t, addr)
	batch := batchOf(record.Plain(), [2]string{"a", "1"})
	ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, batch))

	req := kmsg.NewPtrDescribeLogDirsRequest()
	rt := kmsg.NewDescribeLogDirsRequestTopic()
	rt.Topic, rt.Partitions = "t", []int32{1, 0, 7, 0}
	req.Topics = []kmsg.DescribeLogDirsRequestTopic{rt}
	for v := int16(1); v <= 5; v++ {
		resp := ask[*kmsg.DescribeLogDirsResponse](w, v, req)
		if resp.ErrorCode != 0 || len(resp.Dirs) != 1 || resp.Dirs[0].ErrorCode != 0 || !filepath.IsAbs(resp.Dirs[0].Dir) {
			t.Fatalf("v%d: %+v", v, resp)
		}
		d := resp.Dirs[0]
		if len(d.Topics) != 1 || len(d.Topics[0].Partitions) != 2 {
			t.Fatalf("v%d: partitions %+v", v, d.Topics)
		}
		if p := d.Topics[0].Partitions; p[0].Size != int64(len(batch)) || p[1].Size != 0 || p[0].Partition != 0 {
			t.Errorf("v%d: sizes %+v, the batch has %d bytes", v, p, len(batch))
		}
		if v >= 4 && !(d.UsableBytes > 0 && d.UsableBytes <= d.TotalBytes) {
			t.Errorf("v%d: %d bytes free of %d", v, d.UsableBytes, d.TotalBytes)
		}
	}
	req.Topics = nil // all, the log's own too
	if topics := ask[*kmsg.DescribeLogDirsResponse](w, 2, req).Dirs[0].Topics; len(topics) != 3 {
		t.Errorf("%d topics in all", len(topics))
	}
}

func topicPages(w *wire, limit int32, names ...string) (partitions []string, pages int) {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = limit
	for _, name := range names {
		rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
		rt.Topic = name
		req.Topics = append(req.Topics, rt)
	}
	for {
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req)
		pages++
		for _, t := range resp.Topics {
			if t.ErrorCode != 0 {
				partitions = append(partitions, fmt.Sprintf("%s!%d", *t.Topic, t.ErrorCode))
			}
			for _, p := range t.Partitions {
				partitions = append(partitions, fmt.Sprintf("%s/%d", *t.Topic, p.Partition))
			}
		}
		if resp.NextCursor == nil {
			return partitions, pages
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
		req.Cursor = &cursor
	}
}

// The Java admin client reads topics page by page; what a page leaves out or shows
// twice is missing or doubled in `kafka-topics --describe`.
func TestTopicPartitionsComeInPages(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "a", 3, nil)
	createTopic(t, addr, "b", 2, nil)
	w := dial(t, addr)
	want := []string{"a/0", "a/1", "a/2", "b/0", "b/1", fmt.Sprintf("c!%d", kerr.UnknownTopicOrPartition.Code)}
	for limit, pages := range map[int32]int{-1: 6, 1: 6, 2: 3, 3: 2, 5: 2, 6: 1, 1 << 30: 1} {
		got, n := topicPages(w, limit, "c", "b", "a", "b")
		if !slices.Equal(got, want) || n != pages {
			t.Errorf("limit %d: %v in %d pages, want %d", limit, got, n, pages)
		}
	}
	if all, _ := topicPages(w, 2000); len(all) != 5+2*16 {
		t.Errorf("%d partitions in all: %v", len(all), all)
	}
	bad, _ := topicPages(w, 10, "no good", "a")
	if bad[len(bad)-1] != fmt.Sprintf("no good!%d", kerr.InvalidTopicException.Code) {
		t.Errorf("a name that cannot be: %v", bad)
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
	rt.Topic = "a"
	req.Topics = append(req.Topics, rt)
	req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "a", Partition: -1}
	if got := ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req).Topics[0].ErrorCode; got != kerr.InvalidRequest.Code {
		t.Errorf("a cursor at partition -1: error %d", got)
	}
}

func TestConfigResourcesAreListedByKind(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	list := func(version int16, kinds ...int8) (names []string, code int16) {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.ResourceTypes = kinds
		resp := ask[*kmsg.ListConfigResourcesResponse](w, version, req)
		for _, r := range resp.ConfigResources {
			names = append(names, fmt.Sprintf("%d:%s", r.Type, r.Name))
		}
		return names, resp.ErrorCode
	}
	if names, code := list(0); len(names) != 0 || code != 0 {
		t.Errorf("v0 lists client metrics alone: %v, error %d", names, code)
	}
	if names, _ := list(1); !slices.Equal(names, []string{"4:1", "2:__consumer_offsets", "2:__transaction_state", "2:t"}) {
		t.Errorf("all: %v", names)
	}
	if names, _ := list(1, 4); !slices.Equal(names, []string{"4:1"}) {
		t.Errorf("brokers: %v", names)
	}
	if names, code := list(1, 4, 3); len(names) != 0 || code != kerr.UnsupportedVersion.Code {
		t.Errorf("a kind that is none: %v, error %d", names, code)
	}
}

func quorumRequest(topic string, partition int32) *kmsg.DescribeQuorumRequest {
	req := kmsg.NewPtrDescribeQuorumRequest()
	rt := kmsg.NewDescribeQuorumRequestTopic()
	rt.Topic = topic
	rt.Partitions = []kmsg.DescribeQuorumRequestTopicPartition{{Partition: partition}}
	req.Topics = append(req.Topics, rt)
	return req
}

// `kafka-metadata-quorum describe` is answered from raft.
func TestTheQuorumIsDescribed(t *testing.T) {
	n, addr := newNode(t)
	w := dial(t, addr)
	for v := range int16(3) {
		resp := ask[*kmsg.DescribeQuorumResponse](w, v, quorumRequest("__cluster_metadata", 0))
		p := resp.Topics[0].Partitions[0]
		if resp.ErrorCode != 0 || p.ErrorCode != 0 || p.LeaderID != 1 || p.LeaderEpoch < 1 || len(p.CurrentVoters) != 1 || len(p.Observers) != 0 {
			t.Fatalf("v%d: %+v", v, resp)
		}
		if voter := p.CurrentVoters[0]; voter.ReplicaID != 1 || voter.LogEndOffset != p.HighWatermark || p.HighWatermark != int64(n.meta.Image().Index())+1 {
			t.Errorf("v%d: voter %+v, high watermark %d, image %d", v, voter, p.HighWatermark, n.meta.Image().Index())
		}
		if v == 2 && (len(resp.Nodes) != 1 || resp.Nodes[0].NodeID != 1 || len(resp.Nodes[0].Listeners) != 1 || p.CurrentVoters[0].ReplicaDirectoryID == [16]byte{}) {
			t.Errorf("v%d: nodes %+v", v, resp.Nodes)
		}
	}
	before := ask[*kmsg.DescribeQuorumResponse](w, 2, quorumRequest("__cluster_metadata", 0)).Topics[0].Partitions[0].HighWatermark
	createTopic(t, addr, "t", 1, nil)
	if after := ask[*kmsg.DescribeQuorumResponse](w, 2, quorumRequest("__cluster_metadata", 0)).Topics[0].Partitions[0].HighWatermark; after <= before {
		t.Errorf("the high watermark is %d after a change, %d before", after, before)
	}
	for _, req := range []*kmsg.DescribeQuorumRequest{quorumRequest("t", 0), quorumRequest("__cluster_metadata", 1)} {
		if got := ask[*kmsg.DescribeQuorumResponse](w, 2, req).Topics[0].Partitions[0].ErrorCode; got != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("%s/%d: error %d", req.Topics[0].Topic, req.Topics[0].Partitions[0].Partition, got)
		}
	}
}
