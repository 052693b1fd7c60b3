package log

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/storage"
)

// again repeats a request as long as the coordinator asks for it.
func again(t *testing.T, ask func() int16) {
	t.Helper()
	for ctx := within(t); ; runtime.Gosched() {
		switch code := ask(); code {
		case 0:
			return
		case kerr.CoordinatorLoadInProgress.Code, kerr.ConcurrentTransactions.Code, kerr.CoordinatorNotAvailable.Code:
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
		default:
			t.Fatal(kerr.ErrorForCode(code))
		}
	}
}

// txnOffset commits an offset of group at t/0 in a transaction that stays open.
func txnOffset(t *testing.T, s *Session, topic [16]byte, p *kmsg.InitProducerIDResponse, id, group string, offset int64) {
	t.Helper()
	again(t, func() int16 {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group, req.Generation = id, group, -1
		req.ProducerID, req.ProducerEpoch = p.ProducerID, p.ProducerEpoch
		rt := kmsg.NewTxnOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = "t", topic
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Offset, rp.LeaderEpoch = offset, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(within(t), s)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Topics[0].Partitions[0].ErrorCode
	})
}

func endTransaction(t *testing.T, s *Session, p *kmsg.InitProducerIDResponse, id string, commit bool) {
	t.Helper()
	again(t, func() int16 {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.Commit = id, commit
		req.ProducerID, req.ProducerEpoch = p.ProducerID, p.ProducerEpoch
		resp, err := req.RequestWith(within(t), s)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ErrorCode == 0 {
			p.ProducerID, p.ProducerEpoch = resp.ProducerID, resp.ProducerEpoch
		}
		return resp.ErrorCode
	})
}

// groupOffset is what a group has committed for t/0, -1 if nothing.
func groupOffset(t *testing.T, n *Node, group string) (offset int64) {
	t.Helper()
	again(t, func() int16 {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = 7, group
		resp, err := n.groups.Handle(within(t), coord.Meta{}, req)
		if err != nil {
			t.Fatal(err)
		}
		r := resp.(*kmsg.OffsetFetchResponse)
		offset = -1
		for _, topic := range r.Topics {
			offset = topic.Partitions[0].Offset
		}
		return r.ErrorCode
	})
	return offset
}

// state is what the coordinators know: committed offsets, and transactions.
func state(t *testing.T, n *Node, groups, ids []string) string {
	t.Helper()
	var text strings.Builder
	s := n.Session(SessionOptions{})
	for _, id := range ids {
		again(t, func() int16 {
			req := kmsg.NewPtrDescribeTransactionsRequest()
			req.TransactionalIDs = []string{id}
			resp, err := req.RequestWith(within(t), s)
			if err != nil {
				t.Fatal(err)
			}
			d := resp.TransactionStates[0]
			if strings.HasPrefix(d.State, "Prepare") { // its markers are on their way
				return kerr.ConcurrentTransactions.Code
			}
			if d.ErrorCode == 0 {
				fmt.Fprintln(&text, id, d.State, d.ProducerID, d.ProducerEpoch, d.Topics)
			}
			return d.ErrorCode
		})
	}
	for _, g := range groups {
		fmt.Fprintln(&text, g, groupOffset(t, n, g))
	}
	return text.String()
}

// smallSegments has the coordinators begin new segments often: the last one is never
// compacted.
func smallSegments(n *Node) {
	for _, l := range n.disk.Logs() {
		l.SetConfig(storage.Config{SegmentBytes: 1500, Compact: true})
	}
}

func compactAll(t *testing.T, n *Node) (removed int64) {
	t.Helper()
	for _, l := range n.disk.Logs() {
		if err := l.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		stats, err := l.Clean(t.Context(), time.Now(), l.Durable())
		if err != nil {
			t.Fatal(err)
		}
		removed += stats.Removed
	}
	return removed
}

// TestCoordinatorsReadCompactedLogs: groups commit, in transactions that commit, abort
// and stay open, and beside them; the coordinators' logs are compacted in between.
// After a restart they know what they knew, and the open transaction can be ended.
func TestCoordinatorsReadCompactedLogs(t *testing.T) {
	rng := seeded(t)
	fs := vfs.NewMem()
	n := openNode(t, fs)
	s := n.Session(SessionOptions{})
	topic := create(t, s, "t", 1)
	smallSegments(n)
	groups, ids := []string{"pending"}, []string{"open"}
	producers := map[string]*kmsg.InitProducerIDResponse{}
	for i := range 3 {
		groups = append(groups, fmt.Sprint("group-", i))
		ids = append(ids, fmt.Sprint("txn-", i))
	}
	for _, id := range ids {
		again(t, func() int16 {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = &id, 60_000, -1, -1
			resp, err := req.RequestWith(within(t), s)
			if err != nil {
				t.Fatal(err)
			}
			producers[id] = resp
			return resp.ErrorCode
		})
	}
	want, removed := map[string]int64{"pending": -1}, int64(0)
	for i := range 240 {
		if i == 150 {
			txnOffset(t, s, topic, producers["open"], "open", "pending", 777)
		}
		if i%60 == 59 {
			removed += compactAll(t, n)
		}
		group, id, offset := groups[1+rng.IntN(3)], ids[1+rng.IntN(3)], int64(1000+i)
		if rng.IntN(2) == 0 {
			commitTo(t, s, topic, group, offset)
			want[group] = offset
			continue
		}
		committed := rng.IntN(2) == 0
		txnOffset(t, s, topic, producers[id], id, group, offset)
		endTransaction(t, s, producers[id], id, committed)
		if committed {
			want[group] = offset
		}
	}
	before := state(t, n, groups, ids)
	if removed += compactAll(t, n); removed < 50 {
		t.Fatalf("only %d records were removed", removed)
	}
	closeNode(t, n)
	n = openNode(t, fs)
	if after := state(t, n, groups, ids); after != before {
		t.Fatalf("before:\n%s\nafter:\n%s", before, after)
	}
	for g, offset := range want {
		if got := groupOffset(t, n, g); got != offset {
			t.Errorf("%s is at %d, want %d", g, got, offset)
		}
	}
	endTransaction(t, n.Session(SessionOptions{}), producers["open"], "open", true)
	state(t, n, nil, []string{"open"}) // the marker may still be on its way
	if got := groupOffset(t, n, "pending"); got != 777 {
		t.Errorf("the open transaction's offset is %d", got)
	}
}

func commitTo(t *testing.T, s *Session, id [16]byte, group string, offset int64) {
	t.Helper()
	again(t, func() int16 {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = group, -1
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = "t", id
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Offset, rp.LeaderEpoch = offset, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(within(t), s)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Topics[0].Partitions[0].ErrorCode
	})
}

// TestClientsReadACompactedTopic: a topic's configs arrive where they count, and
// franz-go reads what is left, compressed batches with gaps and emptied ones included.
func TestClientsReadACompactedTopic(t *testing.T) {
	n, addr := newNode(t)
	createTopic(t, addr, "prices", 1, map[string]*string{"cleanup.policy": new("compact"), "segment.bytes": new("2048")})
	writer := client(t, addr, kgo.DefaultProduceTopic("prices"), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	for i := range 300 {
		r := kgo.KeyStringRecord(fmt.Sprint("item-", i%7), fmt.Sprint("price ", i))
		if i == 260 {
			r = &kgo.Record{Key: []byte("item-6")}
		}
		if i%7 == 6 && i > 260 {
			continue
		}
		if err := writer.ProduceSync(within(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if removed := compactAll(t, n); removed < 150 {
		t.Fatalf("%d records were removed", removed)
	}
	last, records := map[string]string{}, 0
	reader := client(t, addr, kgo.ConsumeTopics("prices"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for ctx := within(t); last["item-5"] != "price 299"; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			last[string(r.Key)] = string(r.Value)
			records++
		})
	}
	if len(last) != 7 || last["item-6"] != "" || last["item-0"] != "price 294" || records > 150 {
		t.Fatalf("%d records, %v", records, last)
	}
}
