package log

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// batchOf is one record batch as a producer sends it.
func batchOf(h record.Header, records ...[2]string) []byte {
	var b record.Builder
	for i, kv := range records {
		var key []byte
		if kv[0] != "" {
			key = []byte(kv[0])
		}
		b.Append(1_700_000_000_000+int64(i), key, []byte(kv[1]), nil)
	}
	return bytes.Clone(b.Finish(h))
}

// acks=0 has no answer; an error shows by the connection's end.
func TestAcks0(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	good := produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))
	good.Acks = 0
	w.send(9, good)
	id := topicID(w, "t") // the next answer on the connection is this one's
	fetch := fetchRequest("t", id, 0)
	fetch.MaxWaitMillis = 10_000
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch)); len(got.RecordBatches) == 0 {
		t.Error("the record is not there")
	}
	bad := produceRequest("nowhere", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))
	bad.Acks = 0
	w.send(9, bad)
	w.closed()
}

func TestBatchesThatAreRefused(t *testing.T) {
	_, addr := newNode(t)
	compact, small := "compact", "1000"
	createTopic(t, addr, "t", 1, map[string]*string{"max.message.bytes": &small})
	createTopic(t, addr, "c", 1, map[string]*string{"cleanup.policy": &compact})
	w := dial(t, addr)
	good := batchOf(record.Plain(), [2]string{"a", "1"})
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	control := record.ControlBatch(record.Control{Marker: record.Commit}, 1, 0, time.Now().UnixMilli())
	transactional := record.Plain()
	transactional.ProducerID, transactional.ProducerEpoch, transactional.BaseSequence, transactional.Attributes = 1, 0, 0, record.AttrTransactional
	for _, c := range []struct {
		name, topic string
		batch       []byte
		acks        int16
		want        *kerr.Error
	}{
		{"a flipped bit", "t", change(func(b []byte) { b[len(b)-1] ^= 1 }), -1, kerr.CorruptMessage},
		{"format 1", "t", change(func(b []byte) { b[16] = 1 }), -1, kerr.UnsupportedForMessageFormat},
		{"a length beyond the bytes", "t", change(func(b []byte) { b[11]++ }), -1, kerr.InvalidRecord},
		{"a cut header", "t", good[:30], -1, kerr.CorruptMessage},
		{"nothing", "t", []byte{}, -1, kerr.CorruptMessage},
		{"two batches", "t", append(bytes.Clone(good), good...), -1, kerr.InvalidRecord},
		{"a batch over max.message.bytes", "t", batchOf(record.Plain(), [2]string{"a", string(make([]byte, 1000))}), -1, kerr.MessageTooLarge},
		{"a control batch", "t", control, -1, kerr.InvalidRecord},
		{"a transaction without its id", "t", batchOf(transactional, [2]string{"a", "1"}), -1, kerr.TransactionalIDAuthorizationFailed},
		{"acks 2", "t", good, 2, kerr.InvalidRequiredAcks},
		{"an internal topic", "__consumer_offsets", good, -1, kerr.InvalidTopicException},
		{"no key in a compacted topic", "c", batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"", "2"}), -1, kerr.InvalidRecord},
	} {
		req := produceRequest(c.topic, [16]byte{}, c.batch)
		req.Acks = c.acks
		p := produced(ask[*kmsg.ProduceResponse](w, 9, req))
		if p.ErrorCode != c.want.Code || p.BaseOffset != -1 || p.ErrorMessage == nil {
			t.Errorf("%s: %v (%d), want %v", c.name, kerr.ErrorForCode(p.ErrorCode), p.ErrorCode, c.want)
		}
		if c.topic == "c" && (len(p.ErrorRecords) != 1 || p.ErrorRecords[0].RelativeOffset != 1) {
			t.Errorf("the record without key is not named: %+v", p.ErrorRecords)
		}
	}
	if p := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, good))); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("after all of them the first good batch: error %d at %d", p.ErrorCode, p.BaseOffset)
	}
}

func TestLogAppendTime(t *testing.T) {
	_, addr := newNode(t)
	appendTime := "LogAppendTime"
	createTopic(t, addr, "t", 1, map[string]*string{"message.timestamp.type": &appendTime})
	w := dial(t, addr)
	before := time.Now().UnixMilli()
	p := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))))
	if p.ErrorCode != 0 || p.LogAppendTime < before {
		t.Fatalf("error %d, append time %d", p.ErrorCode, p.LogAppendTime)
	}
	got := fetched(ask[*kmsg.FetchResponse](w, 13, fetchRequest("t", topicID(w, "t"), 0))).RecordBatches
	h, err := record.Check(got, record.Limits{})
	if err != nil || !h.AppendTime() || h.MaxTimestamp != p.LogAppendTime {
		t.Fatalf("stored with %+v, %v", h, err)
	}
}
