package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// A topic that is created again under its name is another topic: what still asks for
// the old one must not get the new one's records.
func TestTopicIDs(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	old := topicID(w, "t")
	if _, err := admin(t, addr).DeleteTopics(within(t), "t"); err != nil {
		t.Fatal(err)
	}
	createTopic(t, addr, "t", 1, nil)
	fresh := topicID(w, "t")
	if old == fresh {
		t.Fatal("the new topic has the old one's id")
	}
	batch := batchOf(record.Plain(), [2]string{"a", "1"})
	if p := produced(ask[*kmsg.ProduceResponse](w, 13, produceRequest("t", old, batch))); p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("produce to the old id: error %d", p.ErrorCode)
	}
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, fetchRequest("t", old, 0))); p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("fetch from the old id: error %d", p.ErrorCode)
	}
	if p := produced(ask[*kmsg.ProduceResponse](w, 12, produceRequest("gone", fresh, batch))); p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("produce to an unknown name: error %d", p.ErrorCode)
	}
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.TopicID = fresh
	req.Topics = append(req.Topics, rt)
	if mt := ask[*kmsg.MetadataResponse](w, 12, req).Topics[0]; mt.ErrorCode != 0 || *mt.Topic != "t" {
		t.Errorf("metadata by id: error %d", mt.ErrorCode)
	}
	req.Topics[0].TopicID = old
	if mt := ask[*kmsg.MetadataResponse](w, 12, req).Topics[0]; mt.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("metadata of the old id: error %d", mt.ErrorCode)
	}
}
