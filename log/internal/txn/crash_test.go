package txn

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// TestCrashAtEveryDuty ends the coordinator before each thing that it does: an append is
// committed, a reply leaves, a marker is written, the outcome of the markers comes back.
// A client that repeats its request until it has an answer gets the answer that it would
// have got, every transaction ends in all its partitions as the client was told, and no
// marker comes before its decision is in the log. The producer's epochs run out on the
// way, so that its id changes in the middle.
func TestCrashAtEveryDuty(t *testing.T) {
	for _, eager := range []bool{false, true} {
		whole := newCrashing(0, 0, eager)
		whole.run(t)
		if whole.events < 40 {
			t.Fatalf("only %d duties: the scenario is too short", whole.events)
		}
		for first := 1; first <= whole.events; first++ {
			newCrashing(first, 0, eager).run(t)
			for _, after := range []int{1, 2, 3, 5, 8} { // and again, while the next core catches up
				newCrashing(first, after, eager).run(t)
			}
		}
	}
}

// errCrash unwinds to where the next core is started.
var errCrash = errors.New("crash")

// crashing is a client, the partitions of its transactions, and a coordinator that ends
// before chosen duties.
type crashing struct {
	first, after int  // duties before which it ends: the first, and how many later again
	eager        bool // what does not wait for the log is done before the log gets on
	events       int
	crashes      int

	bench   *coordtest.Bench
	replies map[uint64]any
	sent    []Markers
	n       uint64
	nextPID int64

	producer producerName
	marked   map[TopicPartition][]markedTxn // what the partitions got, in order
	told     []markedTxn                    // what the client was told, in order
}

// markedTxn is a transaction and how it ended, by the producer that wrote it.
type markedTxn struct {
	producer producerName
	commit   bool
}

var crashPartitions = []TopicPartition{{"t", 0}, {"t", 1}}

func newCrashing(first, after int, eager bool) *crashing {
	c := &crashing{first: first, after: after, eager: eager, nextPID: 100, replies: map[uint64]any{}, marked: map[TopicPartition][]markedTxn{}}
	epoch := int32(0)
	c.bench = &coordtest.Bench{
		Hold: true,
		New: func() coord.Replayable {
			epoch++
			c.sent = nil
			clear(c.replies)
			return NewCore(Config{}, epoch, start)
		},
		OnReply: func(id uint64, resp any, err error) {
			if err == nil {
				c.replies[id] = resp
			}
		},
		OnSend: func(s core.Send) {
			switch m := s.Message.(type) {
			case Markers:
				c.sent = append(c.sent, m)
			case WantProducerIDs:
				c.bench.Queue(ProducerIDs{First: c.nextPID, N: 1})
				c.nextPID++
			}
		},
	}
	near := &transaction{id: "x", pid: 7, prevPid: none, nextPid: none, epoch: exhausted - 3, lastEpoch: none, timeoutMs: 60_000, startMs: -1, version: 2}
	c.bench.Start()
	last := &transaction{id: "y", pid: 8, prevPid: none, nextPid: none, epoch: exhausted, lastEpoch: none, timeoutMs: 60_000, startMs: -1, version: 2}
	c.bench.Plant(coord.KV{Key: recordKey("y"), Value: recordValue(last)})
	c.bench.Plant(coord.KV{Key: recordKey("x"), Value: recordValue(near)})
	c.bench.Start()
	return c
}

// duty counts, and crashes where it shall.
func (c *crashing) duty() error {
	c.events++
	if c.first > 0 && (c.crashes == 0 && c.events == c.first || c.crashes == 1 && c.after > 0 && c.events == c.first+c.after) {
		c.crashes++
		c.bench.Start()
		return errCrash
	}
	return nil
}

// work carries out what the core wants, one duty at a time, until the request has its
// answer or nothing is left to do.
func (c *crashing) work(id uint64) (any, error) {
	for {
		switch {
		case c.bench.Held() > 0 && !(c.eager && (len(c.sent) > 0 || c.replies[id] != nil)):
			if err := c.duty(); err != nil {
				return nil, err
			}
			c.bench.Commit(1)
		case c.replies[id] != nil:
			if err := c.duty(); err != nil {
				return nil, err
			}
			return c.replies[id], nil
		case len(c.sent) > 0:
			if err := c.write(); err != nil {
				return nil, err
			}
		default:
			return nil, nil
		}
	}
}

// write writes the markers of one message, each a duty of its own.
func (c *crashing) write() error {
	m := c.sent[0]
	for _, p := range m.Partitions {
		if err := c.duty(); err != nil {
			return err
		}
		if err := c.decided(m); err != nil {
			return err
		}
		// The data was written in the epoch before the marker's.
		txn := markedTxn{producerName{m.ProducerID, m.ProducerEpoch - 1}, m.Commit}
		if all := c.marked[p]; len(all) == 0 || all[len(all)-1] != txn { // again is harmless
			c.marked[p] = append(all, txn)
		}
	}
	if err := c.duty(); err != nil {
		return err
	}
	c.sent = c.sent[1:]
	c.bench.Input(MarkersWritten{TransactionalID: m.TransactionalID, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch})
	return nil
}

// decided says if a marker's decision is not the last word of the committed log.
func (c *crashing) decided(m Markers) error {
	records := c.bench.Records() // after "y" was made, all are of "x"
	last := records[len(records)-1]
	t, err := decodeRecord("x", last.Value)
	switch {
	case err != nil:
		return err
	case !t.state.deciding() || (t.state == PrepareCommit) != m.Commit || t.pid != m.ProducerID || t.epoch != m.ProducerEpoch:
		return fmt.Errorf("marker %+v while the log says %s of %d:%d", m, t.state, t.pid, t.epoch)
	}
	return nil
}

// ask sends a request until it is answered and the answer is no "later".
func (c *crashing) ask(t *testing.T, send func(id uint64), code func(any) int16) any {
	t.Helper()
	for range 100 {
		c.n++
		send(c.n)
		resp, err := c.work(c.n)
		switch {
		case errors.Is(err, errCrash):
			continue
		case err != nil:
			t.Fatalf("crash before duty %d, again %d later: %v", c.first, c.after, err)
		case resp == nil: // parked behind what is under way
			c.bench.Advance(3 * time.Second)
			continue
		}
		if got := code(resp); got == 0 {
			return resp
		} else if got != kerr.ConcurrentTransactions.Code {
			t.Fatalf("crash before duty %d, again %d later: request %d is answered %v", c.first, c.after, c.n, kerr.ErrorForCode(got))
		}
		for len(c.sent) > 0 || c.bench.Held() > 0 {
			if _, err := c.work(0); err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
		}
	}
	t.Fatalf("crash before duty %d, again %d later: no answer for ever", c.first, c.after)
	return nil
}

// run is the client's life: a new name, then five transactions.
func (c *crashing) run(t *testing.T) {
	t.Helper()
	// A producer that names itself at its last epoch gets a new id, and gets it again if
	// the answer was lost (KAFKA-20357).
	if y := c.init(t, "y", producerName{8, exhausted}); y.id == 8 || y.epoch != 0 {
		t.Fatalf("crash before duty %d, again %d later: at the last epoch %+v", c.first, c.after, y)
	}
	c.producer = c.init(t, "x", producerName{none, none})
	for i := range 5 {
		c.transaction(t, i%3 != 1)
	}
	for len(c.sent) > 0 || c.bench.Held() > 0 {
		if _, err := c.work(0); err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
	}
	for _, p := range crashPartitions {
		if got := fmt.Sprint(c.marked[p]); got != fmt.Sprint(c.told) {
			t.Fatalf("crash before duty %d, again %d later: partition %d ended %v, the client was told %v", c.first, c.after, p.Partition, got, c.told)
		}
	}
	if c.producer.id == 7 {
		t.Fatal("the producer id has not changed: the scenario is too short")
	}
}

func (c *crashing) init(t *testing.T, id string, was producerName) producerName {
	t.Helper()
	resp := c.ask(t, func(n uint64) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &id, 60_000
		req.ProducerID, req.ProducerEpoch = was.id, was.epoch
		c.bench.Input(coord.Request{ID: n, Body: req})
	}, func(r any) int16 { return r.(*kmsg.InitProducerIDResponse).ErrorCode }).(*kmsg.InitProducerIDResponse)
	return producerName{resp.ProducerID, resp.ProducerEpoch}
}

func (c *crashing) transaction(t *testing.T, commit bool) {
	t.Helper()
	c.ask(t, func(id uint64) {
		c.bench.Input(Add{ID: id, TransactionalID: "x", ProducerID: c.producer.id, ProducerEpoch: c.producer.epoch, Partitions: crashPartitions, Version: 2})
	}, func(r any) int16 { return r.(AddResult)[0] })
	resp := c.ask(t, func(id uint64) {
		req := kmsg.NewPtrEndTxnRequest()
		req.Version, req.TransactionalID, req.Commit = 5, "x", commit
		req.ProducerID, req.ProducerEpoch = c.producer.id, c.producer.epoch
		c.bench.Input(coord.Request{ID: id, Body: req})
	}, func(r any) int16 { return r.(*kmsg.EndTxnResponse).ErrorCode }).(*kmsg.EndTxnResponse)
	c.told = append(c.told, markedTxn{c.producer, commit})
	c.producer = producerName{resp.ProducerID, resp.ProducerEpoch}
}
