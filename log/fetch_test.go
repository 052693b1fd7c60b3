package log

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// librdkafka cannot read null records, and every Fetch at the end of a partition
// has none.
func TestAnEmptyFetch(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	for v := int16(4); v <= 18; v++ {
		req := fetchRequest("t", id, 0)
		resp := ask[*kmsg.FetchResponse](w, v, req)
		p := fetched(resp)
		if p.ErrorCode != 0 || p.RecordBatches == nil || len(p.RecordBatches) != 0 {
			t.Errorf("v%d: error %d, records %v", v, p.ErrorCode, p.RecordBatches)
		}
		if p.HighWatermark != 0 || p.LastStableOffset != 0 {
			t.Errorf("v%d: high watermark %d, last stable %d", v, p.HighWatermark, p.LastStableOffset)
		}
	}
}

// A consumer that stops in the middle of a batch asks for an offset within it, and
// hangs for ever if it gets the next batch, or nothing because of a small limit.
func TestFetchGivesWholeBatches(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	for range 3 {
		batch := batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"b", "2"}, [2]string{"c", "3"})
		if p := produced(ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, batch))); p.ErrorCode != 0 {
			t.Fatalf("error %d", p.ErrorCode)
		}
	}
	req := fetchRequest("t", id, 4) // the middle of the second batch
	req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1
	got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).RecordBatches
	h, err := record.Check(got, record.Limits{})
	if err != nil || h.BaseOffset != 3 || h.Size() != len(got) {
		t.Fatalf("base offset %d, %d of %d bytes, %v; want the one batch that begins at 3", h.BaseOffset, h.Size(), len(got), err)
	}
	req = fetchRequest("t", id, 4)
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).RecordBatches; len(got) != 2*h.Size() {
		t.Fatalf("%d bytes, want the last two batches", len(got))
	}
	req = fetchRequest("t", id, 100)
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("beyond the end: error %d", p.ErrorCode)
	}
}

func TestListOffsetsOfSpecialTimes(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"b", "2"})))
	for _, c := range []struct {
		version int16
		time    int64
		offset  int64
		code    int16
	}{
		{1, -1, 2, 0}, {11, -1, 2, 0}, {1, -2, 0, 0}, {7, -3, 1, 0}, {6, -3, -1, kerr.UnsupportedVersion.Code},
		{8, -4, 0, 0}, {9, -5, -1, 0}, {11, -6, -1, 0}, {10, -6, -1, kerr.UnsupportedVersion.Code},
		{4, 1_700_000_000_001, 1, 0}, {4, 1_800_000_000_000, -1, 0}, {4, 0, 0, 0},
	} {
		p := listOffset(w, c.version, "t", c.time)
		if p.Offset != c.offset || p.ErrorCode != c.code {
			t.Errorf("v%d time %d: offset %d, error %d; want %d, %d", c.version, c.time, p.Offset, p.ErrorCode, c.offset, c.code)
		}
		if c.version >= 4 && p.Offset >= 0 && p.LeaderEpoch < 0 {
			t.Errorf("v%d time %d: no leader epoch", c.version, c.time)
		}
	}
}

// A request that named a partition twice was answered twice for it, and a client that
// keeps answers by partition took the last one for both of its questions. Kafka refuses
// what is named twice, and nothing else.
func TestListOffsetsRefusesWhatIsAskedTwice(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 2, nil)
	w := dial(t, addr)
	for _, version := range []int16{1, 11} {
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		for _, p := range []int32{0, 1, 0} {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p, -2, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		got := ask[*kmsg.ListOffsetsResponse](w, version, req).Topics[0].Partitions
		for i, want := range []int16{kerr.InvalidRequest.Code, 0, kerr.InvalidRequest.Code} {
			if got[i].ErrorCode != want {
				t.Errorf("v%d answer %d: error %d, want %d", version, i, got[i].ErrorCode, want)
			}
		}
	}
}

// listOffset asks for the offset of a time in a topic's first partition.
func listOffset(w *wire, version int16, topic string, timestampMs int64) kmsg.ListOffsetsResponseTopicPartition {
	w.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp, rp.CurrentLeaderEpoch = timestampMs, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return ask[*kmsg.ListOffsetsResponse](w, version, req).Topics[0].Partitions[0]
}

// TestFetchThatIsFull: a client that wants at least a megabyte of a partition, and at most
// a megabyte, cannot get it of batches that do not add up to that. The node read the next
// batch and threw it away, again and again, until the time was up. What is full leaves at
// once, as from Kafka, which fills it up with a part of a batch.
func TestFetchThatIsFull(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 2, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	batch := batchOf(record.Plain(), [2]string{"k", strings.Repeat("v", 1000)})
	size := int32(len(batch))
	for range 3 {
		ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, batch))
	}
	for name, c := range map[string]struct{ atLeast, ofPartition, ofAll int32 }{
		"partition":             {2*size + 100, 2*size + 100, 1 << 20},
		"answer":                {2*size + 100, 1 << 20, 2*size + 100},
		"more than may be sent": {10 * size, 1 << 20, 2 * size},
	} {
		for _, isolation := range []int8{0, 1} {
			req := fetchRequest("t", id, 0)
			req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 60_000, c.atLeast, c.ofAll, isolation
			req.Topics[0].Partitions[0].PartitionMaxBytes = c.ofPartition
			other := req.Topics[0].Partitions[0]
			other.Partition = 1
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, other)
			if p := fetched(ask[*kmsg.FetchResponse](w, 17, req)); p.ErrorCode != 0 || len(p.RecordBatches) != 2*len(batch) {
				t.Errorf("%s, isolation %d: error %d, %d bytes of batches of %d", name, isolation, p.ErrorCode, len(p.RecordBatches), size)
			}
		}
	}
}
