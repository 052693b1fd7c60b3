package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// A client that has seen a newer leader must not be answered by an older one, and
// the other way round (KIP-320).
func TestLeaderEpochsAreFenced(t *testing.T) {
	n, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	epoch := n.meta.Image().TopicByName("t").Partitions[0].LeaderEpoch
	w := dial(t, addr)
	id := topicID(w, "t")
	for given, want := range map[int32]int16{epoch + 1: kerr.UnknownLeaderEpoch.Code, epoch: 0, -1: 0} {
		req := fetchRequest("t", id, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = given
		if got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).ErrorCode; got != want {
			t.Errorf("fetch in epoch %d, led in %d: error %d, want %d", given, epoch, got, want)
		}
		end := kmsg.NewPtrOffsetForLeaderEpochRequest()
		et := kmsg.NewOffsetForLeaderEpochRequestTopic()
		et.Topic = "t"
		ep := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		ep.CurrentLeaderEpoch, ep.LeaderEpoch = given, epoch
		et.Partitions = append(et.Partitions, ep)
		end.Topics = append(end.Topics, et)
		if got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 4, end).Topics[0].Partitions[0].ErrorCode; got != want {
			t.Errorf("epoch end in epoch %d: error %d, want %d", given, got, want)
		}
	}
}

// A client that has read further in an old epoch than it lasted is told where the
// two logs part (KIP-595).
func TestDivergingEpochs(t *testing.T) {
	fs := vfs.NewMem()
	old := openNode(t, fs)
	addr := serve(t, old)
	createTopic(t, addr, "t", 1, nil)
	one := batchOf(record.Plain(), [2]string{"a", "1"})
	if p := produced(ask[*kmsg.ProduceResponse](dial(t, addr), 11, produceRequest("t", [16]byte{}, one))); p.ErrorCode != 0 {
		t.Fatalf("error %d", p.ErrorCode)
	}
	epoch := old.meta.Image().TopicByName("t").Partitions[0].LeaderEpoch
	closeNode(t, old)

	n := openNode(t, fs) // in a new leader epoch
	w := dial(t, serve(t, n))
	id := topicID(w, "t")
	for range 2 {
		ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, one))
	}
	// ListOffsets names the epoch of the record, not the leader's.
	for ts, want := range map[int64]int32{-2: epoch, -1: n.meta.Image().TopicByName("t").Partitions[0].LeaderEpoch} {
		if p := listOffset(w, 4, "t", ts); p.LeaderEpoch != want {
			t.Errorf("time %d: offset %d has leader epoch %d, want %d", ts, p.Offset, p.LeaderEpoch, want)
		}
	}
	req := fetchRequest("t", id, 2)
	req.Topics[0].Partitions[0].LastFetchedEpoch = epoch
	p := fetched(ask[*kmsg.FetchResponse](w, 13, req))
	if p.ErrorCode != 0 || p.DivergingEpoch.Epoch != epoch || p.DivergingEpoch.EndOffset != 1 || len(p.RecordBatches) != 0 {
		t.Errorf("error %d, %+v, %d bytes; want epoch %d to end at 1", p.ErrorCode, p.DivergingEpoch, len(p.RecordBatches), epoch)
	}
	req.Topics[0].Partitions[0].FetchOffset = 1
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != 0 || p.DivergingEpoch.Epoch >= 0 || len(p.RecordBatches) == 0 {
		t.Errorf("a log that does not diverge: error %d, %+v", p.ErrorCode, p.DivergingEpoch)
	}
	req.Topics[0].Partitions[0].LastFetchedEpoch = epoch + 100
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("an epoch that never was: error %d", p.ErrorCode)
	}
}
