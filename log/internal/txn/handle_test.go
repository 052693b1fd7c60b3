package txn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// broker is what stands around a Coordinator in a test: it keeps the markers that were
// written, and can refuse or delay them.
type broker struct {
	*Coordinator
	t       *testing.T
	driver  *core.Driver
	logs    []*coordtest.Log
	mu      sync.Mutex
	written []string
	fail    func(coord.Marker) error // nil writes everything
	gate    chan struct{}            // if not nil, markers wait until it is closed
	noIDs   error
	nextID  int64
	topics  testTopics
}

type testTopics map[string]int32

func (t testTopics) Name([16]byte) (string, bool) { return "", false }

func (t testTopics) Topic(name string) ([16]byte, int32, bool) {
	n, ok := t[name]
	return [16]byte{}, n, ok
}

// WriteMarkers implements coord.MarkerWriter.
func (b *broker) WriteMarkers(ctx context.Context, markers []coord.Marker) []error {
	if b.gate != nil {
		select {
		case <-b.gate:
		case <-ctx.Done():
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := make([]error, len(markers))
	for i, m := range markers {
		if b.fail != nil {
			errs[i] = b.fail(m)
		}
		if errs[i] == nil {
			b.written = append(b.written, fmt.Sprintf("%s/%d %d:%d %s v%d", m.Topic, m.Partition, m.ProducerID, m.ProducerEpoch, outcome(m.Commit), m.Version))
		}
	}
	return errs
}

// inBubble runs f with a Coordinator that leads its two partitions, in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, b *broker)) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{t: t, nextID: 1000, topics: testTopics{"t": 4, "u": 1}}
		b.driver = core.NewDriver(core.DriverOptions{Shards: 2})
		defer b.driver.Close()
		b.Coordinator = NewCoordinator(Options{Partitions: 2, OffsetsPartitions: 16, Driver: b.driver, Markers: b,
			ProducerIDs: func(context.Context) (int64, int64, error) {
				b.nextID += 1000
				return b.nextID - 1000, 1000, b.noIDs
			},
			Topics: func() coord.Topics { return b.topics },
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		defer b.Close()
		for p := range int32(2) {
			b.logs = append(b.logs, coordtest.NewLog())
			b.Elected(p, 1, b.logs[p])
		}
		synctest.Wait()
		f(t, b)
	})
}

func (b *broker) must(req kmsg.Request) kmsg.Response {
	b.t.Helper()
	resp, err := b.Handle(b.t.Context(), coord.Meta{}, req)
	if err != nil {
		b.t.Fatal(err)
	}
	read := req.ResponseKind()
	if err := read.ReadFrom(resp.AppendTo(nil)); err != nil {
		b.t.Fatalf("%T v%d cannot be read: %v", resp, req.GetVersion(), err)
	}
	return read
}

func (b *broker) init(id string) (int64, int16) {
	b.t.Helper()
	resp := b.must(initRequest(id)).(*kmsg.InitProducerIDResponse)
	if resp.ErrorCode != 0 {
		b.t.Fatalf("InitProducerId: %v", kerr.ErrorForCode(resp.ErrorCode))
	}
	return resp.ProducerID, resp.ProducerEpoch
}

func initRequest(id string) kmsg.Request {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &id, 60_000
	return req
}

func (b *broker) end(id string, version int16, pid int64, epoch int16, commit bool) *kmsg.EndTxnResponse {
	b.t.Helper()
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = version, id, pid, epoch, commit
	return b.must(req).(*kmsg.EndTxnResponse)
}

func (b *broker) expectWritten(want ...string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.written, want) {
		b.t.Errorf("markers %q, want %q", b.written, want)
	}
	b.written = nil
}

// TestIdempotentProducers: without a transactional id, a producer gets an id from the
// node's block, whatever this node leads.
func TestIdempotentProducers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		b.Resigned(0)
		b.Resigned(1)
		for want := int64(1000); want < 1003; want++ {
			resp := b.must(kmsg.NewPtrInitProducerIDRequest()).(*kmsg.InitProducerIDResponse)
			if resp.ErrorCode != 0 || resp.ProducerID != want || resp.ProducerEpoch != 0 {
				t.Errorf("got %+v, want producer %d", resp, want)
			}
		}
		b.ids.next = b.ids.end
		b.noIDs = errors.New("no quorum")
		if resp := b.must(kmsg.NewPtrInitProducerIDRequest()).(*kmsg.InitProducerIDResponse); resp.ErrorCode != kerr.CoordinatorLoadInProgress.Code || resp.ProducerID != -1 {
			t.Errorf("without ids: %+v", resp)
		}
	})
}

// TestVersion2: the first append of a partition makes it part of the transaction, the
// next ones cost nothing, and the markers raise the epoch.
func TestVersion2(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		w := Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Partition: 1, Version: 2}
		for range 3 {
			release, err := b.Admit(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		p := b.Partition("x")
		if end := b.logs[p].End(); end != 2 {
			t.Errorf("%d records for one InitProducerId and one partition", end)
		}
		end := b.end("x", 5, pid, epoch, true)
		if end.ErrorCode != 0 || end.ProducerID != pid || end.ProducerEpoch != epoch+1 {
			t.Fatalf("EndTxn: %+v", end)
		}
		b.expectWritten(fmt.Sprintf("t/1 %d:1 commit v2", pid))
		if _, err := b.Admit(t.Context(), w); !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("an append of the transaction that has ended: %v", err)
		}
	})
}

// TestNextTransactionWaits: its first append waits for the markers of the one before.
func TestNextTransactionWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		w := Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Version: 2}
		if _, err := b.Admit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		b.gate = make(chan struct{})
		w.ProducerEpoch = b.end("x", 5, pid, epoch, true).ProducerEpoch
		admitted := make(chan error, 1)
		go func() {
			_, err := b.Admit(t.Context(), w)
			admitted <- err
		}()
		synctest.Wait()
		select {
		case err := <-admitted:
			t.Fatalf("admitted before the last transaction was complete: %v", err)
		default:
		}
		close(b.gate)
		if err := <-admitted; err != nil {
			t.Fatal(err)
		}
	})
}

// TestVersion1: partitions are added first, others refused, and no marker overtakes an
// append that was admitted.
func TestVersion1(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		w := Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Version: 1}
		if _, err := b.Admit(t.Context(), w); !errors.Is(err, kerr.TransactionAbortable) {
			t.Fatalf("an append outside any transaction: %v", err)
		}
		add := kmsg.NewPtrAddPartitionsToTxnRequest()
		add.Version, add.TransactionalID, add.ProducerID, add.ProducerEpoch = 3, "x", pid, epoch
		add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: []int32{0, 2}}, {Topic: "u", Partitions: []int32{0}}}
		for _, rt := range b.must(add).(*kmsg.AddPartitionsToTxnResponse).Topics {
			for _, rp := range rt.Partitions {
				if rp.ErrorCode != 0 {
					t.Fatalf("add %s/%d: %d", rt.Topic, rp.Partition, rp.ErrorCode)
				}
			}
		}
		offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
		offsets.Version, offsets.TransactionalID, offsets.ProducerID, offsets.ProducerEpoch, offsets.Group = 3, "x", pid, epoch, "g"
		if resp := b.must(offsets).(*kmsg.AddOffsetsToTxnResponse); resp.ErrorCode != 0 {
			t.Fatalf("add offsets: %d", resp.ErrorCode)
		}
		release, err := b.Admit(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if end := b.end("x", 4, pid, epoch, false); end.ErrorCode != 0 {
			t.Fatalf("EndTxn: %d", end.ErrorCode)
		}
		b.expectWritten()
		release()
		group := coord.PartitionFor("g", 16)
		b.expectWritten(fmt.Sprintf("__consumer_offsets/%d %d:0 abort v1", group, pid),
			fmt.Sprintf("t/0 %d:0 abort v1", pid), fmt.Sprintf("t/2 %d:0 abort v1", pid), fmt.Sprintf("u/0 %d:0 abort v1", pid))
		if _, err := b.Admit(t.Context(), w); !errors.Is(err, kerr.TransactionAbortable) {
			t.Fatalf("an append after the transaction: %v", err)
		}
	})
}

// TestMarkersAreTriedAgain until they are written or have nowhere to go.
func TestMarkersAreTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		for p := range int32(4) {
			if _, err := b.Admit(t.Context(), Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Partition: p, Version: 2}); err != nil {
				t.Fatal(err)
			}
		}
		tries := 0
		b.fail = func(m coord.Marker) error {
			switch m.Partition {
			case 1:
				return coord.ErrNoPartition
			case 2:
				return coord.ErrMarkerFenced
			case 3:
				if tries++; tries < 5 {
					return errors.New("no leader")
				}
			}
			return nil
		}
		b.end("x", 5, pid, epoch, true)
		// The next transaction's first append waits until all that is over.
		if _, err := b.Admit(t.Context(), Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch + 1, Topic: "t", Version: 2}); err != nil {
			t.Fatal(err)
		}
		b.expectWritten(fmt.Sprintf("t/0 %d:1 commit v2", pid), fmt.Sprintf("t/3 %d:1 commit v2", pid))
		if tries != 5 {
			t.Errorf("%d tries", tries)
		}
	})
}

// TestAddPartitionsBatched: brokers ask for several transactions at once.
func TestAddPartitionsBatched(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		topics := func(name string, p ...int32) []kmsg.AddPartitionsToTxnRequestTransactionTopic {
			return []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: name, Partitions: p}}
		}
		for _, test := range []struct {
			version       int16
			verify        bool
			topic         string
			epoch         int16
			first, second int16
		}{
			{5, true, "t", epoch, kerr.TransactionAbortable.Code, kerr.TransactionAbortable.Code},
			{4, true, "t", epoch, kerr.InvalidTxnState.Code, kerr.InvalidTxnState.Code},
			{4, false, "t", epoch, 0, 0},
			{5, true, "t", epoch, 0, 0},
			{5, false, "t", epoch + 1, kerr.ProducerFenced.Code, kerr.ProducerFenced.Code},
			{5, false, "u", epoch, kerr.OperationNotAttempted.Code, kerr.UnknownTopicOrPartition.Code},
		} {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.Version = test.version
			req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{
				{TransactionalID: "nobody", ProducerID: 1, Topics: topics("t", 0)},
				{TransactionalID: "x", ProducerID: pid, ProducerEpoch: test.epoch, VerifyOnly: test.verify, Topics: topics(test.topic, 0, 1)},
			}
			resp := b.must(req).(*kmsg.AddPartitionsToTxnResponse)
			got := resp.Transactions[1].Topics[0].Partitions
			if got[0].ErrorCode != test.first || got[1].ErrorCode != test.second {
				t.Errorf("%+v: %+v", test, got)
			}
			if resp.Transactions[0].Topics[0].Partitions[0].ErrorCode != kerr.InvalidProducerIDMapping.Code {
				t.Errorf("a transactional id that nobody has: %+v", resp.Transactions[0])
			}
		}
	})
}

// TestOldClientsAddPartitions: they know INVALID_PRODUCER_EPOCH, not PRODUCER_FENCED.
func TestOldClientsAddPartitions(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		for v := int16(0); v <= 3; v++ {
			want := kerr.ProducerFenced.Code
			if v < 2 {
				want = kerr.InvalidProducerEpoch.Code
			}
			add := kmsg.NewPtrAddPartitionsToTxnRequest()
			add.Version, add.TransactionalID, add.ProducerID, add.ProducerEpoch = v, "x", pid, epoch+1
			add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: []int32{0}}}
			if got := b.must(add).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode; got != want {
				t.Errorf("AddPartitionsToTxn v%d: %d, want %d", v, got, want)
			}
			offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
			offsets.Version, offsets.TransactionalID, offsets.ProducerID, offsets.ProducerEpoch, offsets.Group = v, "x", pid, epoch+1, "g"
			if got := b.must(offsets).(*kmsg.AddOffsetsToTxnResponse).ErrorCode; got != want {
				t.Errorf("AddOffsetsToTxn v%d: %d, want %d", v, got, want)
			}
		}
	})
}

// TestErrorsOfHost: not led and loading, in every version.
func TestErrorsOfHost(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		p := b.Partition("x")
		busy := coordtest.NewLog()
		busy.Hold()
		busy.Append((&coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{}}}).Encode(), func(int64, error) {})
		x := "x"
		for _, led := range []bool{false, true} {
			want := kerr.NotCoordinator.Code
			b.Resigned(p)
			if led {
				b.Elected(p, 2, busy)
				want = kerr.CoordinatorLoadInProgress.Code
			}
			init := kmsg.NewPtrInitProducerIDRequest()
			init.TransactionalID, init.TransactionTimeoutMillis = &x, 1000
			end := kmsg.NewPtrEndTxnRequest()
			end.TransactionalID = x
			offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
			offsets.TransactionalID, offsets.Group = x, "g"
			for _, req := range []kmsg.Request{init, end, offsets} {
				for v := int16(0); v <= req.MaxVersion(); v++ {
					req.SetVersion(v)
					if got := errorCode(b.must(req)); got != want {
						t.Errorf("%T v%d: %d, want %d", req, v, got, want)
					}
				}
			}
			add := kmsg.NewPtrAddPartitionsToTxnRequest()
			add.Version, add.TransactionalID = 3, x
			add.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: []int32{0}}}
			if got := b.must(add).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode; got != want {
				t.Errorf("AddPartitionsToTxn: %d, want %d", got, want)
			}
			describe := kmsg.NewPtrDescribeTransactionsRequest()
			describe.TransactionalIDs = []string{x}
			if got := b.must(describe).(*kmsg.DescribeTransactionsResponse).TransactionStates[0].ErrorCode; got != want {
				t.Errorf("DescribeTransactions: %d, want %d", got, want)
			}
			if err := b.Abort(t.Context(), x); err != kerr.ErrorForCode(want) {
				t.Errorf("Abort: %v", err)
			}
			if got := b.must(kmsg.NewPtrListTransactionsRequest()).(*kmsg.ListTransactionsResponse).ErrorCode; led && got != want {
				t.Errorf("ListTransactions: %d, want %d", got, want)
			}
		}
	})
}

// TestAbortAndList: an operator finds a transaction that hangs, and ends it.
func TestAbortAndList(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		for _, id := range []string{"c", "a", "b"} {
			pid, epoch := b.init(id)
			if id == "a" {
				continue
			}
			if _, err := b.Admit(t.Context(), Write{TransactionalID: id, ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Version: 2}); err != nil {
				t.Fatal(err)
			}
		}
		list := kmsg.NewPtrListTransactionsRequest()
		list.StateFilters = []string{"Ongoing"}
		states := b.must(list).(*kmsg.ListTransactionsResponse).TransactionStates
		if len(states) != 2 || states[0].TransactionalID != "b" || states[1].TransactionalID != "c" {
			t.Fatalf("ongoing: %+v", states)
		}
		if err := b.Abort(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		b.expectWritten(fmt.Sprintf("t/0 %d:1 abort v2", states[0].ProducerID))
		if err := b.Abort(t.Context(), "b"); !errors.Is(err, kerr.InvalidTxnState) {
			t.Errorf("abort of what has ended: %v", err)
		}
		if _, err := b.Handle(t.Context(), coord.Meta{}, kmsg.NewPtrFetchRequest()); err == nil {
			t.Error("served a request of another room")
		}
	})
}

// TestFailedAppendForgetsWhatWasInstalled: after a reset nothing is admitted on the
// word of a core that is no more.
func TestFailedAppendForgetsWhatWasInstalled(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		w := Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Version: 2}
		if _, err := b.Admit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		b.logs[b.Partition("x")].Fail(errors.New("disk"))
		if end := b.end("x", 5, pid, epoch, true); end.ErrorCode != kerr.NotCoordinator.Code {
			t.Fatalf("EndTxn whose append failed: %d", end.ErrorCode)
		}
		b.logs[b.Partition("x")].Fail(nil)
		synctest.Wait()
		// The core that was replayed knows the transaction, and goes on with it.
		if _, err := b.Admit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if end := b.end("x", 5, pid, epoch, true); end.ErrorCode != 0 {
			t.Fatalf("EndTxn again: %d", end.ErrorCode)
		}
		b.expectWritten(fmt.Sprintf("t/0 %d:1 commit v2", pid))
	})
}
