package log

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// cluster is what log/client asks of a Session; the two do not import each other.
type cluster interface {
	Request(context.Context, kmsg.Request) (kmsg.Response, error)
	Broker(id int32) kmsg.Requestor
}

var _ cluster = (*Session)(nil)

// create makes a topic through a session and returns its id.
func create(t testing.TB, s *Session, topic string, partitions int32) [16]byte {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, -1
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(within(t), s)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("create %s: %v, %+v", topic, err, resp)
	}
	return resp.Topics[0].TopicID
}

// awaitCoordinator returns when a group's coordinator has read its log: for a moment
// after the start clients are told to ask again.
func awaitCoordinator(t testing.TB, s *Session, group string) {
	t.Helper()
	for ctx := within(t); ; runtime.Gosched() {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{group}
		resp, err := req.RequestWith(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Groups[0].ErrorCode != kerr.CoordinatorLoadInProgress.Code {
			return
		}
	}
}

func sessionProduce(ctx context.Context, s *Session, req *kmsg.ProduceRequest) (kmsg.ProduceResponseTopicPartition, error) {
	resp, err := s.Broker(s.node.NodeID()).Request(ctx, req)
	if err != nil {
		return kmsg.ProduceResponseTopicPartition{}, err
	}
	return produced(resp.(*kmsg.ProduceResponse)), nil
}

func sessionFetch(ctx context.Context, s *Session, req *kmsg.FetchRequest) (kmsg.FetchResponseTopicPartition, error) {
	resp, err := s.Broker(s.node.NodeID()).Request(ctx, req)
	if err != nil {
		return kmsg.FetchResponseTopicPartition{}, err
	}
	return fetched(resp.(*kmsg.FetchResponse)), nil
}

func TestSessionProducesAndFetches(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{ClientID: "me"})
	id := create(t, s, "t", 1)
	batch := batchOf(record.Plain(), [2]string{"a", "1"})
	sent := bytes.Clone(batch)
	req := produceRequest("t", id, batch)
	p, err := sessionProduce(within(t), s, req)
	if err != nil || p.ErrorCode != 0 || req.Version != 13 {
		t.Fatalf("%v, error %d, version %d", err, p.ErrorCode, req.Version)
	}
	if !bytes.Equal(batch, sent) {
		t.Fatal("the request's bytes were written to")
	}
	clear(batch) // they were only lent
	got, err := sessionFetch(within(t), s, fetchRequest("t", id, 0))
	if err != nil || got.HighWatermark != 1 {
		t.Fatalf("%v, %+v", err, got)
	}
	if _, err := record.Check(got.RecordBatches, record.Limits{}); err != nil {
		t.Fatalf("what is stored refers to the request's bytes: %v", err)
	}
}

func TestSessionRoutes(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	if _, err := s.Request(within(t), kmsg.NewPtrProduceRequest()); err == nil || !strings.Contains(err.Error(), "Broker") {
		t.Errorf("Produce without a broker: %v", err)
	}
	if _, err := s.Broker(7).Request(within(t), kmsg.NewPtrApiVersionsRequest()); err == nil || !strings.Contains(err.Error(), "no broker 7") {
		t.Errorf("an unknown broker: %v", err)
	}
	if _, err := s.Request(within(t), kmsg.NewPtrWriteTxnMarkersRequest()); err == nil || !strings.Contains(err.Error(), "not served") {
		t.Errorf("an unknown key: %v", err)
	}
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	if _, err := s.Request(within(t), req); err != nil || req.Version != 3 {
		t.Errorf("versions above 3 are not for clients: %v, version %d", err, req.Version)
	}
}

// Fetch waits until there is something, or the caller has waited enough, or the
// node closes.
func TestSessionFetchWaits(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	id := create(t, s, "t", 1)
	long := func() *kmsg.FetchRequest {
		req := fetchRequest("t", id, 0)
		req.MaxWaitMillis = 60_000
		return req
	}
	type result struct {
		p   kmsg.FetchResponseTopicPartition
		err error
	}
	fetch := func(ctx context.Context, req *kmsg.FetchRequest) chan result {
		done := make(chan result, 1)
		go func() {
			p, err := sessionFetch(ctx, s, req)
			done <- result{p, err}
		}()
		return done
	}
	got := fetch(within(t), long())
	both := long()
	both.MinBytes = int32(2 * len(batchOf(record.Plain(), [2]string{"a", "1"})))
	gotBoth := fetch(within(t), both)
	for range 2 {
		if p, err := sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"a", "1"}))); err != nil || p.ErrorCode != 0 {
			t.Fatal(err, p.ErrorCode)
		}
	}
	if r := <-got; r.err != nil || len(r.p.RecordBatches) == 0 {
		t.Errorf("the fetch that waited: %v, %d bytes", r.err, len(r.p.RecordBatches))
	}
	if r := <-gotBoth; r.err != nil || len(r.p.RecordBatches) != int(both.MinBytes) {
		t.Errorf("the fetch that waited for more: %v, %d bytes, want %d", r.err, len(r.p.RecordBatches), both.MinBytes)
	}
	ctx, cancel := context.WithCancel(within(t))
	at2 := long()
	at2.Topics[0].Partitions[0].FetchOffset = 2
	got = fetch(ctx, at2)
	cancel()
	if r := <-got; r.err == nil {
		t.Error("a cancelled fetch succeeded")
	}
	last := long()
	last.Topics[0].Partitions[0].FetchOffset = 2
	got = fetch(context.Background(), last)
	closeNode(t, n)
	<-got // with what there is, or ErrClosed: it ends
	if _, err := s.Request(context.Background(), kmsg.NewPtrApiVersionsRequest()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSessionsAreConcurrent(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	id := create(t, s, "t", 4)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 50 {
				req := produceRequest("t", id, batchOf(record.Plain(), [2]string{"a", "1"}))
				req.Topics[0].Partitions[0].Partition = int32(w % 4)
				if p, err := sessionProduce(t.Context(), s, req); err != nil || p.ErrorCode != 0 {
					t.Errorf("%v, error %d", err, p.ErrorCode)
					return
				}
			}
		})
	}
	wg.Wait()
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	for p := range int32(4) {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p, -1, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(within(t), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range resp.Topics[0].Partitions {
		if p.Offset != 100 {
			t.Errorf("partition %d ends at %d, want 100", p.Partition, p.Offset)
		}
	}
}

// A group member that joins through a session keeps what it was given, though the
// caller uses its bytes for something else then.
func TestSessionLendsGroupBytes(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{ClientID: "member"})
	ctx := within(t)
	join := joinRequest("g", "")
	join.RebalanceTimeoutMillis = 10_000
	join.InstanceID = new("static")
	metadata := []byte("member metadata")
	join.Protocols[0].Metadata = metadata
	awaitCoordinator(t, s, "g")
	joined, err := join.RequestWith(ctx, s)
	if err != nil || joined.ErrorCode != 0 {
		t.Fatal(err, joined)
	}
	clear(metadata)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation, sync.InstanceID = "g", joined.MemberID, joined.Generation, join.InstanceID
	sync.ProtocolType, sync.Protocol = new("consumer"), new("range")
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	assignment := []byte("assignment")
	a.MemberID, a.MemberAssignment = joined.MemberID, assignment
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	synced, err := sync.RequestWith(ctx, s)
	if err != nil || synced.ErrorCode != 0 || string(synced.MemberAssignment) != "assignment" {
		t.Fatal(err, synced)
	}
	clear(assignment)
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g"}
	described, err := describe.RequestWith(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	m := described.Groups[0].Members[0]
	if string(m.ProtocolMetadata) != "member metadata" || string(m.MemberAssignment) != "assignment" || m.ClientID != "member" {
		t.Errorf("the group shares bytes with the caller: %+v", m)
	}
}

// Errors of the protocol are in the response, as over the wire.
func TestSessionErrorsAreCodes(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	p, err := sessionProduce(within(t), s, produceRequest("", [16]byte{1}, batchOf(record.Plain(), [2]string{"a", "1"})))
	if err != nil || p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("%v, error %d", err, p.ErrorCode)
	}
	req := produceRequest("", [16]byte{1}, nil)
	req.Acks = 0
	if _, err := s.Broker(1).Request(within(t), req); err == nil {
		t.Error("acks=0 hides a failure in the same process")
	}
}
