package log

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

var everyCut = flag.Bool("every-cut", false, "TestCutsAtEveryCall looks at every cut, not at some drawn by the seed")

// A client writes, in and out of transactions, commits offsets, deletes records and
// topics, and the power goes before any call that changes the disk: of the log, its
// journal, the coordinators or the metadata. Whatever the journal is used for:
//
//  1. What was acknowledged is there, in order, and nothing that was not sent.
//  2. A transaction is there as a whole or not at all; as a whole, if its commit was
//     acknowledged; not at all, if its abort was.
//  3. A committed offset is there; a deleted topic is not there again.
func TestCutsAtEveryCall(t *testing.T) {
	for _, mode := range []Journal{JournalAuto, JournalOff, JournalOn} {
		t.Run(string(mode), func(t *testing.T) {
			w := &cutWorkload{t: t, rng: seeded(t), fs: vfs.NewMem(), mode: mode}
			w.clones = rand.New(rand.NewPCG(w.rng.Uint64(), 1))
			w.run(14)
			for _, c := range w.cuts {
				c.check(t, mode)
				if t.Failed() {
					return
				}
			}
			if mode == JournalOff && w.rounds > 0 || mode == JournalOn && w.rounds == 0 { // auto takes what comes together
				t.Errorf("%d rounds went to the journal", w.rounds)
			}
			t.Logf("%d of %d cuts, %d rounds in the journal", len(w.cuts), w.calls, w.rounds)
		})
	}
}

const cutPartitions = 6 // enough for the journal to be chosen

// cutTxn is a transaction and what was said about it.
type cutTxn struct {
	values  map[int32]string
	outcome string // "", "committed" or "aborted"
}

// cutKnowledge is what the client was told, and what it asked for.
type cutKnowledge struct {
	acked   [cutPartitions][]string // outside of transactions, in order
	sent    map[string]bool
	txns    []cutTxn
	offset  int64
	start   int64 // of partition 0
	startUp int64 // what was asked for
	deleted []string
}

func (k *cutKnowledge) clone() cutKnowledge {
	c := *k
	for p := range c.acked {
		c.acked[p] = slices.Clone(k.acked[p])
	}
	c.sent, c.txns, c.deleted = maps.Clone(k.sent), slices.Clone(k.txns), slices.Clone(k.deleted)
	return c
}

// powerCut is a disk as a cut has left it, and what was known at that moment.
type powerCut struct {
	where string
	disk  *vfs.Mem
	known cutKnowledge
}

type cutWorkload struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *vfs.Mem
	mode Journal
	s    *Session
	id   [16]byte

	pid   int64
	epoch int16
	seq   [cutPartitions]int32

	mu     sync.Mutex // guards what follows: the hook runs in the node's goroutines
	known  cutKnowledge
	clones *rand.Rand
	calls  int
	rounds int // to the journal
	cuts   []powerCut
}

// cutsOf is how many cuts there are for one that is looked at without -every-cut.
const cutsOf = 15

func (w *cutWorkload) run(steps int) {
	n := openNode(w.t, w.fs, func(o *Options) { o.Journal = w.mode })
	w.s = n.Session(SessionOptions{})
	w.id = create(w.t, w.s, "t", cutPartitions)
	awaitCoordinator(w.t, w.s, "g")
	w.known = cutKnowledge{sent: map[string]bool{}, offset: -1}
	w.begin()
	w.fs.Inject(func(op vfs.Op, name string) error {
		if op.Changes() {
			w.cut(fmt.Sprintf("before %v of %s", op, name))
		}
		return nil
	})
	for i := range steps {
		switch i % 7 {
		default:
			w.produce(i)
		case 2, 4, 5:
			w.transaction(i, w.rng.IntN(4) > 0)
		case 3:
			w.commitOffset(int64(i))
		case 6:
			w.deleteRecords()
			w.deleteTopic(fmt.Sprintf("gone-%d", i))
		}
	}
	closeNode(w.t, n)
	w.fs.Inject(nil)
}

// cut takes a clone, perhaps.
func (w *cutWorkload) cut(where string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if strings.Contains(where, "write-at") && strings.Contains(where, "/journal/") {
		w.rounds++
	}
	if *everyCut || w.clones.IntN(cutsOf) == 0 {
		known := w.known.clone()
		w.cuts = append(w.cuts, powerCut{fmt.Sprintf("cut %d, %s", w.calls, where), w.fs.CrashClone(w.clones), known})
	}
}

func (w *cutWorkload) learn(f func(k *cutKnowledge)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.known)
}

// write produces one value to each partition, in one request.
func (w *cutWorkload) write(prefix string, transactional bool) map[int32]string {
	req := produceRequest("t", w.id, nil)
	req.Topics[0].Partitions = nil
	values := map[int32]string{}
	for p := range int32(cutPartitions) {
		values[p] = fmt.Sprintf("%s-%d", prefix, p)
		h := record.Plain()
		if transactional {
			h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Attributes = w.pid, w.epoch, w.seq[p], record.AttrTransactional
			w.seq[p]++
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p, batchOf(h, [2]string{"k", values[p]})
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, rp)
	}
	if transactional {
		req.TransactionID = new("tx")
	}
	w.learn(func(k *cutKnowledge) {
		for _, v := range values {
			k.sent[v] = true
		}
		if transactional {
			k.txns = append(k.txns, cutTxn{values: values})
		}
	})
	resp, err := w.s.Broker(1).Request(within(w.t), req)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range resp.(*kmsg.ProduceResponse).Topics[0].Partitions {
		if p.ErrorCode != 0 {
			w.t.Fatalf("partition %d: error %d", p.Partition, p.ErrorCode)
		}
	}
	return values
}

func (w *cutWorkload) produce(i int) {
	values := w.write(fmt.Sprintf("plain-%d", i), false)
	w.learn(func(k *cutKnowledge) {
		for p, v := range values {
			k.acked[p] = append(k.acked[p], v)
		}
	})
}

// begin gets a producer id.
func (w *cutWorkload) begin() {
	p := takeOver(w.t, w.s)
	w.pid, w.epoch, w.seq = p.ProducerID, p.ProducerEpoch, [cutPartitions]int32{}
}

// takeOver initializes the transactional producer, which ends what it has left open.
func takeOver(t *testing.T, s *Session) *kmsg.InitProducerIDResponse {
	t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = new("tx"), 60_000, -1, -1
	for ctx := within(t); ; {
		resp, err := req.RequestWith(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		switch resp.ErrorCode {
		case 0:
			return resp
		case kerr.ConcurrentTransactions.Code, kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code:
			runtime.Gosched()
		default:
			t.Fatalf("InitProducerId: error %d", resp.ErrorCode)
		}
	}
}

func (w *cutWorkload) transaction(i int, commit bool) {
	w.write(fmt.Sprintf("txn-%d", i), true)
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = "tx", w.pid, w.epoch, commit
	resp, err := req.RequestWith(within(w.t), w.s)
	if err != nil || resp.ErrorCode != 0 {
		w.t.Fatalf("EndTxn: %v, error %d", err, resp.ErrorCode)
	}
	w.learn(func(k *cutKnowledge) {
		k.txns[len(k.txns)-1].outcome = "aborted"
		if commit {
			k.txns[len(k.txns)-1].outcome = "committed"
		}
	})
	w.begin() // waits for the markers
}

func (w *cutWorkload) commitOffset(offset int64) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = "g", -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = "t", w.id
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset, rp.LeaderEpoch = offset, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(within(w.t), w.s)
	if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		w.t.Fatalf("%v %+v", err, resp)
	}
	w.learn(func(k *cutKnowledge) { k.offset = offset })
}

// deleteRecords deletes the first two records of partition 0, or two more.
func (w *cutWorkload) deleteRecords() {
	to := w.known.start + 2
	w.learn(func(k *cutKnowledge) { k.startUp = to })
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = "t"
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = 0, to
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := w.s.Broker(1).Request(within(w.t), req)
	if err != nil {
		w.t.Fatal(err)
	}
	if p := resp.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 || p.LowWatermark != to {
		w.t.Fatalf("%+v", p)
	}
	w.learn(func(k *cutKnowledge) { k.start = to })
}

// deleteTopic makes a topic, writes to it and deletes it.
func (w *cutWorkload) deleteTopic(name string) {
	id := create(w.t, w.s, name, 1)
	if p, err := sessionProduce(within(w.t), w.s, produceRequest(name, id, batchOf(record.Plain(), [2]string{"k", "v"}))); err != nil || p.ErrorCode != 0 {
		w.t.Fatal(err, p.ErrorCode)
	}
	req := kmsg.NewPtrDeleteTopicsRequest()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &name
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, rt), []string{name}, 10_000
	resp, err := req.RequestWith(within(w.t), w.s)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		w.t.Fatalf("%v %+v", err, resp)
	}
	w.learn(func(k *cutKnowledge) { k.deleted = append(k.deleted, name) })
}

// check opens the disk and compares it with what was known.
func (c *powerCut) check(t *testing.T, mode Journal) {
	t.Helper()
	n, err := Open(t.Context(), Options{DataDir: "data", FS: c.disk, Logger: discard(), Journal: mode, strict: true, journalFileBytes: 256 << 10})
	if err != nil {
		t.Fatalf("%s: %v", c.where, err)
	}
	defer closeNode(t, n)
	s := n.Session(SessionOptions{})
	for _, name := range c.known.deleted {
		if n.meta.Image().TopicByName(name) != nil {
			t.Errorf("%s: topic %s is there again", c.where, name)
		}
	}
	takeOver(t, s) // completes or aborts what was under way
	if got := committedOffset(t, s); got < c.known.offset {
		t.Errorf("%s: the group committed %d and is at %d", c.where, c.known.offset, got)
	}
	topic := n.meta.Image().TopicByName("t")
	seen := map[string]bool{}
	for p := range int32(cutPartitions) {
		from := int64(0)
		if p == 0 {
			from = logStart(t, s)
			if from < c.known.start || from > c.known.startUp {
				t.Errorf("%s: partition 0 starts at %d, expected %d to %d", c.where, from, c.known.start, c.known.startUp)
			}
		}
		got := committedValues(t, s, topic.ID, p, from)
		for _, v := range got {
			if seen[v] || !c.known.sent[v] {
				t.Errorf("%s: partition %d has %q, which is there twice or was never sent", c.where, p, v)
			}
			seen[v] = true
		}
		if p > 0 { // of partition 0 the beginning was deleted
			c.checkOrder(t, p, got)
		}
	}
	for _, txn := range c.known.txns {
		there := 0
		for p, v := range txn.values {
			if p > 0 && seen[v] {
				there++
			}
		}
		if there != 0 && there != cutPartitions-1 || txn.outcome == "committed" && there == 0 || txn.outcome == "aborted" && there > 0 {
			t.Errorf("%s: %d of %d values of a transaction that was %q", c.where, there, cutPartitions-1, txn.outcome)
		}
	}
}

// checkOrder finds the acknowledged values among those that are there, in order.
func (c *powerCut) checkOrder(t *testing.T, partition int32, got []string) {
	t.Helper()
	acked := c.known.acked[partition]
	for _, v := range got {
		if len(acked) > 0 && acked[0] == v {
			acked = acked[1:]
		}
	}
	if len(acked) > 0 {
		t.Errorf("%s: partition %d lacks %q, which was acknowledged", c.where, partition, acked[0])
	}
}

// logStart is where partition 0 begins.
func logStart(t *testing.T, s *Session) int64 {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp, rp.CurrentLeaderEpoch = -2, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := s.Broker(1).Request(within(t), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}

// committedValues reads a partition as a reader of committed data does.
func committedValues(t *testing.T, s *Session, id [16]byte, partition int32, offset int64) (values []string) {
	t.Helper()
	var r record.Reader
	var rec record.Record
	aborting := map[int64]bool{}
	for {
		req := fetchRequest("t", id, offset)
		req.Topics[0].Partitions[0].Partition, req.IsolationLevel = partition, 1
		got, err := sessionFetch(within(t), s, req)
		if err != nil || got.ErrorCode != 0 {
			t.Fatalf("read partition %d at %d: %v, error %d", partition, offset, err, got.ErrorCode)
		}
		if len(got.RecordBatches) == 0 {
			return values
		}
		aborted := got.AbortedTransactions
		for rest := got.RecordBatches; len(rest) > 0; {
			batch, next, err := record.Split(rest)
			if err == nil {
				err = r.Reset(batch)
			}
			if err != nil {
				t.Fatal(err)
			}
			h := r.Header()
			rest, offset = next, h.LastOffset()+1
			for len(aborted) > 0 && aborted[0].FirstOffset <= h.BaseOffset {
				aborting[aborted[0].ProducerID] = true
				aborted = aborted[1:]
			}
			switch {
			case h.Control():
				delete(aborting, h.ProducerID)
				continue
			case h.Transactional() && aborting[h.ProducerID]:
				continue
			}
			for r.Next(&rec) {
				values = append(values, string(rec.Value))
			}
		}
	}
}
