package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

func initProducer(w *wire, version int16, transactionalID string, pid int64, epoch int16) *kmsg.InitProducerIDResponse {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = 60_000, pid, epoch
	if transactionalID != "" {
		req.TransactionalID = &transactionalID
	}
	return ask[*kmsg.InitProducerIDResponse](w, version, req)
}

func endTxn(w *wire, version int16, id string, p *kmsg.InitProducerIDResponse, commit bool) *kmsg.EndTxnResponse {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id, p.ProducerID, p.ProducerEpoch, commit
	return ask[*kmsg.EndTxnResponse](w, version, req)
}

// kafkajs reads "Unknown error code 90" where an older version must say 47.
func TestFencedProducersAreToldInTheWordsOfTheirVersion(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "topic", 1, nil)
	w := dial(t, addr)
	old := initProducer(w, 1, "t", -1, -1)
	if fresh := initProducer(w, 1, "t", -1, -1); fresh.ErrorCode != 0 || fresh.ProducerEpoch <= old.ProducerEpoch {
		t.Fatalf("the second owner: error %d, epoch %d after %d", fresh.ErrorCode, fresh.ProducerEpoch, old.ProducerEpoch)
	}
	check := func(name string, version, since, got int16) {
		t.Helper()
		want := kerr.ProducerFenced.Code
		if version < since {
			want = kerr.InvalidProducerEpoch.Code
		}
		if got != want {
			t.Errorf("%s v%d: error %d, want %d", name, version, got, want)
		}
	}
	for v := int16(3); v <= 5; v++ { // before 3 a producer does not say who it is
		check("InitProducerId", v, 4, initProducer(w, v, "t", old.ProducerID, old.ProducerEpoch).ErrorCode)
	}
	for v := range int16(4) {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = "t", old.ProducerID, old.ProducerEpoch
		req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "topic", Partitions: []int32{0}}}
		check("AddPartitionsToTxn", v, 2, ask[*kmsg.AddPartitionsToTxnResponse](w, v, req).Topics[0].Partitions[0].ErrorCode)
	}
	for v := range int16(5) {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = "t", old.ProducerID, old.ProducerEpoch, "g"
		check("AddOffsetsToTxn", v, 2, ask[*kmsg.AddOffsetsToTxnResponse](w, v, req).ErrorCode)
	}
	for v := range int16(6) {
		check("EndTxn", v, 2, endTxn(w, v, "t", old, true).ErrorCode)
	}
}

// Transaction version 2: producing adds the partition, ending raises the epoch, and
// a transaction that has written nothing can be ended.
func TestTransactionVersion2(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	p := initProducer(w, 5, "tx", -1, -1)
	if r := endTxn(w, 5, "tx", p, true); r.ErrorCode != 0 || r.ProducerEpoch <= p.ProducerEpoch && r.ProducerID == p.ProducerID {
		t.Fatalf("a transaction without partitions: error %d, epoch %d after %d", r.ErrorCode, r.ProducerEpoch, p.ProducerEpoch)
	} else {
		p.ProducerID, p.ProducerEpoch = r.ProducerID, r.ProducerEpoch
	}
	h := record.Plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Attributes = p.ProducerID, p.ProducerEpoch, 0, record.AttrTransactional
	req := produceRequest("t", [16]byte{}, batchOf(h, [2]string{"a", "1"}))
	req.TransactionID = new("tx")
	// Version 11 says that the client has added the partition. It has not.
	if got := produced(ask[*kmsg.ProduceResponse](w, 11, req)).ErrorCode; got != kerr.TransactionAbortable.Code && got != kerr.InvalidTxnState.Code {
		t.Errorf("a partition outside the transaction: error %d", got)
	}
	if got := produced(ask[*kmsg.ProduceResponse](w, 10, req)).ErrorCode; got != kerr.InvalidTxnState.Code {
		t.Errorf("the same for a client that does not know TRANSACTION_ABORTABLE: error %d", got)
	}
	if got := produced(ask[*kmsg.ProduceResponse](w, 12, req)); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Fatalf("produced with error %d at %d", got.ErrorCode, got.BaseOffset)
	}
	// The same batch again is acknowledged with its first offset.
	if got := produced(ask[*kmsg.ProduceResponse](w, 12, req)); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("a duplicate: error %d at %d", got.ErrorCode, got.BaseOffset)
	}
	fetch := fetchRequest("t", topicID(w, "t"), 0)
	fetch.IsolationLevel = 1
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch)); len(got.RecordBatches) != 0 || got.LastStableOffset != 0 {
		t.Errorf("an open transaction is visible: %d bytes, last stable %d", len(got.RecordBatches), got.LastStableOffset)
	}
	if r := endTxn(w, 5, "tx", p, false); r.ErrorCode != 0 || r.ProducerEpoch != p.ProducerEpoch+1 {
		t.Fatalf("abort: error %d, epoch %d", r.ErrorCode, r.ProducerEpoch)
	}
	// The marker is written behind the answer; the client waits for more to read.
	fetch.MaxWaitMillis, fetch.MinBytes = 10_000, 1
	got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch))
	if len(got.AbortedTransactions) != 1 || got.AbortedTransactions[0].ProducerID != p.ProducerID || got.AbortedTransactions[0].FirstOffset != 0 {
		t.Errorf("aborted transactions: %+v", got.AbortedTransactions)
	}
}
