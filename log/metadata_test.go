package log

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

func TestMetadataCreatesOnlyWhatIsWantedAndValid(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	ask1 := func(version int16, name string, allow bool) kmsg.MetadataResponseTopic {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = allow
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt, rt) // named twice, answered once
		resp := ask[*kmsg.MetadataResponse](w, version, req)
		if len(resp.Topics) != 1 {
			t.Fatalf("%d answers for one topic", len(resp.Topics))
		}
		return resp.Topics[0]
	}
	if got := ask1(4, "a", false); got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("not wanted: error %d", got.ErrorCode)
	}
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ä", string(bytes.Repeat([]byte("x"), 250))} {
		if got := ask1(4, name, true); got.ErrorCode != kerr.InvalidTopicException.Code {
			t.Errorf("%q: error %d", name, got.ErrorCode)
		}
	}
	for version, name := range map[int16]string{0: "by-v0", 3: "by-v3", 4: "by-v4", 13: "by-v13"} {
		if got := ask1(version, name, true); got.ErrorCode != 0 || len(got.Partitions) != 1 || got.Partitions[0].Leader != 1 {
			t.Errorf("v%d: %+v", version, got)
		}
		// The leader is at work when the answer is there.
		batch := batchOf(record.Plain(), [2]string{"a", "1"})
		if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest(name, [16]byte{}, batch))); got.ErrorCode != 0 {
			t.Errorf("v%d: produce at once: error %d", version, got.ErrorCode)
		}
	}
	// No topics means none from version 1 on; null means all.
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	if got := ask[*kmsg.MetadataResponse](w, 1, req); len(got.Topics) != 0 || got.Brokers[0].Port == 0 {
		t.Errorf("none: %d topics", len(got.Topics))
	}
	req.Topics = nil
	if got := ask[*kmsg.MetadataResponse](w, 9, req); len(got.Topics) < 4 {
		t.Errorf("all: %d topics", len(got.Topics))
	}
}
