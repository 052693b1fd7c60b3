package log

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// txnBatch is a batch of a transactional producer.
func txnBatch(p *kmsg.InitProducerIDResponse, sequence int32) []byte {
	h := record.Plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Attributes = p.ProducerID, p.ProducerEpoch, sequence, record.AttrTransactional
	return batchOf(h, [2]string{"k", "v"})
}

// produceInTxn writes one record to partition 0 of a topic.
func produceInTxn(w *wire, version int16, id, topic string, p *kmsg.InitProducerIDResponse, sequence int32) int16 {
	w.t.Helper()
	req := produceRequest(topic, [16]byte{}, txnBatch(p, sequence))
	req.TransactionID = &id
	return produced(ask[*kmsg.ProduceResponse](w, version, req)).ErrorCode
}

// A client that does not know TRANSACTION_ABORTABLE (KIP-890) takes it for an unknown
// server error and tries for ever.
func TestTransactionAbortableIsForThoseWhoKnowIt(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	p := initProducer(w, 4, "tx", -1, -1)
	for v := int16(3); v <= 11; v++ { // none has added the partition
		want := kerr.InvalidTxnState
		if v >= 11 {
			want = kerr.TransactionAbortable
		}
		if got := produceInTxn(w, v, "tx", "t", p, 0); got != want.Code {
			t.Errorf("Produce v%d: error %d, want %d", v, got, want.Code)
		}
	}
	for v := int16(0); v <= 4; v++ {
		want := kerr.InvalidTxnState
		if v >= 4 {
			want = kerr.TransactionAbortable
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = "tx", "g", p.ProducerID, p.ProducerEpoch
		req.Generation = -1
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{LeaderEpoch: -1}}}}
		if got := ask[*kmsg.TxnOffsetCommitResponse](w, v, req).Topics[0].Partitions[0].ErrorCode; got != want.Code {
			t.Errorf("TxnOffsetCommit v%d: error %d, want %d", v, got, want.Code)
		}
	}
}

// The coordinator aborts a transaction that takes too long, and its commit arrives at
// that moment. INVALID_TXN_STATE killed Streams threads; a producer that is fenced
// starts again (KAFKA-20785).
func TestACommitThatATimeoutOvertook(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for v := int16(0); v <= 5; v++ {
		id := fmt.Sprint("tx", v)
		init := kmsg.NewPtrInitProducerIDRequest()
		init.TransactionalID, init.TransactionTimeoutMillis, init.ProducerID, init.ProducerEpoch = &id, 50, -1, -1
		p := ask[*kmsg.InitProducerIDResponse](w, 4, init)
		if got := produceInTxn(w, 12, id, "t", p, 0); got != 0 {
			t.Fatalf("produce: error %d", got)
		}
		awaitState(w, id, "CompleteAbort")
		want := kerr.ProducerFenced
		if v < 2 {
			want = kerr.InvalidProducerEpoch
		}
		if got := endTxn(w, v, id, p, true).ErrorCode; got != want.Code {
			t.Errorf("EndTxn v%d: error %d, want %d", v, got, want.Code)
		}
	}
}

// describeTxn is where a transactional id stands.
func describeTxn(w *wire, id string) kmsg.DescribeTransactionsResponseTransactionState {
	w.t.Helper()
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id, id} // the second time is the same
	states := ask[*kmsg.DescribeTransactionsResponse](w, 0, req).TransactionStates
	if len(states) != 1 {
		w.t.Fatalf("%d states of %q", len(states), id)
	}
	return states[0]
}

// awaitState waits until a transactional id is in a state.
func awaitState(w *wire, id, state string) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		d := describeTxn(w, id)
		if d.ErrorCode == 0 && d.State == state {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%q is in %q with error %d, not in %q", id, d.State, d.ErrorCode, state)
		}
	}
}

// A producer died in its transaction, with a timeout of 15 minutes, and readers of
// committed data stand still. From the partition the way leads to the producer, to the
// transactional id, and to the end of it: whoever asks for a producer id of that name
// ends what was open (what Kafka's tools call to force an abort). All of it works after
// a restart, too.
func TestAStuckTransactionIsFoundAndEnded(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	addr := serve(t, n)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	p := initProducer(w, 5, "gone", -1, -1)
	if got := produceInTxn(w, 12, "gone", "t", p, 0); got != 0 {
		t.Fatalf("produce: error %d", got)
	}
	done := initProducer(w, 5, "done", -1, -1)
	if got := produceInTxn(w, 12, "done", "t", done, 0); got != 0 {
		t.Fatalf("produce: error %d", got)
	}
	if r := endTxn(w, 5, "done", done, true); r.ErrorCode != 0 {
		t.Fatalf("commit: error %d", r.ErrorCode)
	}
	closeNode(t, n)
	w = dial(t, serve(t, openNode(t, fs)))
	id := topicID(w, "t")

	read := fetchRequest("t", id, 0)
	read.IsolationLevel = 1
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, read)); got.LastStableOffset != 0 || got.HighWatermark < 2 {
		t.Fatalf("last stable offset %d of %d", got.LastStableOffset, got.HighWatermark)
	}
	// 1. The partition says which producer holds it back, and since which offset.
	ask1 := kmsg.NewPtrDescribeProducersRequest()
	ask1.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 0, 9}}, {Topic: "nowhere", Partitions: []int32{0}}}
	answer := ask[*kmsg.DescribeProducersResponse](w, 0, ask1)
	parts := answer.Topics[0].Partitions
	if len(parts) != 2 || parts[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || answer.Topics[1].Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("partitions %+v", answer.Topics)
	}
	var stuck int64 = -1
	for _, ap := range parts[0].ActiveProducers {
		if ap.CurrentTxnStartOffset >= 0 {
			stuck = ap.ProducerID
			if ap.ProducerEpoch != int32(p.ProducerEpoch) || ap.CurrentTxnStartOffset != 0 || ap.LastSequence != 0 {
				t.Errorf("the stuck one: %+v", ap)
			}
		}
	}
	if stuck != p.ProducerID || len(parts[0].ActiveProducers) != 2 {
		t.Fatalf("producer %d holds it back, of %+v; want %d", stuck, parts[0].ActiveProducers, p.ProducerID)
	}
	// 2. The coordinator says whose it is, by every filter.
	list := func(version int16, change func(*kmsg.ListTransactionsRequest)) (ids []string) {
		req := kmsg.NewPtrListTransactionsRequest()
		req.DurationFilterMillis = -1
		change(req)
		resp := ask[*kmsg.ListTransactionsResponse](w, version, req)
		if resp.ErrorCode != 0 {
			return []string{kerr.ErrorForCode(resp.ErrorCode).Error()}
		}
		for _, s := range resp.TransactionStates {
			ids = append(ids, s.TransactionalID)
		}
		return ids
	}
	for name, got := range map[string][]string{
		"producer id": list(0, func(r *kmsg.ListTransactionsRequest) { r.ProducerIDFilters = []int64{stuck} }),
		"state":       list(0, func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Ongoing"} }),
		"duration":    list(1, func(r *kmsg.ListTransactionsRequest) { r.DurationFilterMillis = 0 }),
		"pattern":     list(2, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = new("go.*") }),
	} {
		if len(got) != 1 || got[0] != "gone" {
			t.Errorf("by %s: %v", name, got)
		}
	}
	if got := list(1, func(r *kmsg.ListTransactionsRequest) { r.DurationFilterMillis = 3_600_000 }); len(got) != 0 {
		t.Errorf("running for more than an hour: %v", got)
	}
	if got := list(2, func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = new("(") }); len(got) != 1 || got[0] != kerr.InvalidRegularExpression.Error() {
		t.Errorf("a pattern that is none: %v", got)
	}
	if d := describeTxn(w, "gone"); d.State != "Ongoing" || d.ProducerID != stuck || len(d.Topics) != 1 || d.Topics[0].Topic != "t" || d.TimeoutMillis != 60_000 {
		t.Errorf("described: %+v", d)
	}
	if d := describeTxn(w, "nobody"); d.ErrorCode != kerr.TransactionalIDNotFound.Code {
		t.Errorf("an id that is not there: %+v", d)
	}
	// 3. The abort. The reader goes on, without the record that was never committed.
	if r := initProducer(w, 4, "gone", -1, -1); r.ErrorCode != 0 || r.ProducerEpoch <= p.ProducerEpoch {
		t.Fatalf("force abort: error %d, epoch %d", r.ErrorCode, r.ProducerEpoch)
	}
	got := fetched(ask[*kmsg.FetchResponse](w, 13, read))
	if got.LastStableOffset != got.HighWatermark || len(got.AbortedTransactions) != 1 || got.AbortedTransactions[0].ProducerID != stuck {
		t.Errorf("last stable offset %d of %d, aborted %+v", got.LastStableOffset, got.HighWatermark, got.AbortedTransactions)
	}
	if got := endTxn(w, 5, "gone", p, true).ErrorCode; got != kerr.ProducerFenced.Code {
		t.Errorf("the dead producer commits: error %d", got)
	}
	if got := produceInTxn(w, 12, "gone", "t", p, 1); got != kerr.InvalidProducerEpoch.Code {
		t.Errorf("the dead producer writes: error %d", got)
	}
}

// AddPartitionsToTxn 4 and 5 are what brokers say to each other, about many transactions,
// to add or only to ask. Kafka answers everyone who may act on the cluster.
func TestAddPartitionsOfManyTransactions(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 3, nil)
	w := dial(t, addr)
	p := initProducer(w, 4, "tx", -1, -1)
	add := func(version int16, verify bool, id string, partitions ...int32) (codes []int16) {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{{
			TransactionalID: id, ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, VerifyOnly: verify,
			Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: "t", Partitions: partitions}},
		}}
		for _, r := range ask[*kmsg.AddPartitionsToTxnResponse](w, version, req).Transactions[0].Topics[0].Partitions {
			codes = append(codes, r.ErrorCode)
		}
		return codes
	}
	for _, c := range []struct {
		why        string
		version    int16
		verify     bool
		id         string
		partitions []int32
		want       []int16
	}{
		{"nothing is open", 5, true, "tx", []int32{0}, []int16{kerr.TransactionAbortable.Code}},
		{"added", 4, false, "tx", []int32{0}, []int16{0}},
		{"one in, one not", 5, true, "tx", []int32{0, 1}, []int16{0, kerr.TransactionAbortable.Code}},
		{"the same for a version that does not know it", 4, true, "tx", []int32{0, 1}, []int16{0, kerr.InvalidTxnState.Code}},
		{"a partition that is not there", 5, false, "tx", []int32{2, 3}, []int16{kerr.OperationNotAttempted.Code, kerr.UnknownTopicOrPartition.Code}},
		{"nobody", 5, false, "nobody", []int32{0}, []int16{kerr.InvalidProducerIDMapping.Code}},
	} {
		if got := add(c.version, c.verify, c.id, c.partitions...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
