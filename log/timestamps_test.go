package log

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// timedBatch is a batch whose records have these timestamps.
func timedBatch(h record.Header, timestamps ...int64) []byte {
	var b record.Builder
	for _, ts := range timestamps {
		b.Append(ts, []byte("k"), []byte("v"), nil)
	}
	return append([]byte(nil), b.Finish(h)...)
}

// A producer with a wrong clock once filled a topic with records of the year 2554,
// which retention by time then never removed (KIP-937). Those that are out of bounds
// are named one by one (KIP-467).
func TestTimestampsOutOfBounds(t *testing.T) {
	_, addr := newNode(t)
	hour, appendTime := "3600000", "LogAppendTime"
	createTopic(t, addr, "default", 1, nil)
	createTopic(t, addr, "recent", 1, map[string]*string{"message.timestamp.before.max.ms": &hour})
	createTopic(t, addr, "append", 1, map[string]*string{"message.timestamp.type": &appendTime, "message.timestamp.before.max.ms": &hour})
	w := dial(t, addr)
	now := time.Now().UnixMilli()
	const day = 24 * 3_600_000
	for _, c := range []struct {
		name, topic string
		timestamps  []int64
		want        *kerr.Error
		records     []int32 // that are complained about
	}{
		{"as it should be", "default", []int64{now}, nil, nil},
		{"long ago", "default", []int64{now - 1000*day}, nil, nil},
		{"none", "default", []int64{-1}, nil, nil},
		{"tomorrow", "default", []int64{now, now + day, now}, kerr.InvalidTimestamp, []int32{1}},
		{"yesterday", "recent", []int64{now - day, now, now - day}, kerr.InvalidTimestamp, []int32{0, 2}},
		{"none, where old ones are refused", "recent", []int64{-1, now}, nil, nil},
		{"tomorrow, where the node's clock counts", "append", []int64{now + day}, nil, nil},
	} {
		for _, codec := range []record.Codec{record.None, record.Zstd} {
			h := record.Plain()
			h.Attributes |= int16(codec)
			got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest(c.topic, [16]byte{}, timedBatch(h, c.timestamps...))))
			want := int16(0)
			if c.want != nil {
				want = c.want.Code
			}
			if got.ErrorCode != want || len(got.ErrorRecords) != len(c.records) {
				t.Errorf("%s, %v: %+v, want error %d for %v", c.name, codec, got, want, c.records)
				continue
			}
			for i, r := range got.ErrorRecords {
				if r.RelativeOffset != c.records[i] || r.ErrorMessage == nil {
					t.Errorf("%s, %v: complains about record %d, want %d", c.name, codec, r.RelativeOffset, c.records[i])
				}
			}
		}
	}
}

// A batch that contradicts itself comes back INVALID_RECORD: after CORRUPT_MESSAGE its
// producer sends it again and again.
func TestBatchesThatContradictThemselves(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for name, change := range map[string]func(h *record.Header){
		"more records than offsets":  func(h *record.Header) { h.Count++ },
		"fewer records than offsets": func(h *record.Header) { h.LastOffsetDelta++ },
		"no records":                 func(h *record.Header) { h.Count, h.LastOffsetDelta = 0, -1 },
	} {
		batch := timedBatch(record.Plain(), 1, 2, 3)
		h, err := record.ParseHeader(batch)
		if err != nil {
			t.Fatal(err)
		}
		change(&h)
		h.Put(batch)
		binary.BigEndian.PutUint32(batch[17:], record.Checksum(batch))
		if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, batch))); got.ErrorCode != kerr.InvalidRecord.Code {
			t.Errorf("%s: error %d", name, got.ErrorCode)
		}
		batch[len(batch)-1] ^= 1
		if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, batch))); got.ErrorCode != kerr.CorruptMessage.Code {
			t.Errorf("%s, and damaged on the way: error %d", name, got.ErrorCode)
		}
	}
}
