package broker

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func produceRequest() *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 10_000
	return req
}

func heartbeatRequest() *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group = 3, "g"
	return req
}

// A producer that waits a disk sync for each of its batches is slow, so the next is
// handled meanwhile; but the answers come in the order of the requests.
func TestPipelinedProducesAreHandledAheadAndAnsweredInOrder(t *testing.T) {
	started := make(chan int, 8)
	commit := []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	n := 0
	handle := standIn{keyProduce, func(_ context.Context, _ *call, req kmsg.Request) (answer, error) {
		i := n
		n++
		started <- i
		return answer{later: func(context.Context) kmsg.Response {
			<-commit[i]
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			resp.ThrottleMillis = int32(i)
			resp.Topics = []kmsg.ProduceResponseTopic{}
			return resp
		}}, nil
	}}
	_, addr := testBroker(t, Limits{}, handle)
	w := dial(t, addr)
	for i := range int32(3) {
		w.send(frameOf(produceRequest(), i))
	}
	w.send(frameOf(kmsg.NewPtrApiVersionsRequest(), 3))
	for i := range 3 {
		if got := <-started; got != i {
			t.Fatalf("request %d was handled as number %d", got, i)
		}
	}
	close(commit[2])
	close(commit[1])
	close(commit[0]) // the first is committed last
	for i := range int32(4) {
		if got, _ := w.receive(); got != i {
			t.Fatalf("answer %d came as number %d", got, i)
		}
	}
}

func TestAPanickingHandlerClosesItsConnectionOnly(t *testing.T) {
	now := standIn{12, func(context.Context, *call, kmsg.Request) (answer, error) { panic("a fault of ours") }}
	later := standIn{keyProduce, func(context.Context, *call, kmsg.Request) (answer, error) {
		return answer{later: func(context.Context) kmsg.Response { panic("another") }}, nil
	}}
	_, addr := testBroker(t, Limits{}, now, later)
	other := dial(t, addr)
	for _, req := range []kmsg.Request{heartbeatRequest(), produceRequest()} {
		w := dial(t, addr)
		w.send(frameOf(req, 1))
		w.closed()
	}
	ask[*kmsg.ApiVersionsResponse](other, kmsg.NewPtrApiVersionsRequest())
}

// A member's JoinGroup may wait for minutes. When the client is gone nobody wants
// the answer any more, and the handler must not go on holding memory for it.
func TestAWaitingHandlerEndsWhenThePeerIsGone(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan error, 1)
	handle := standIn{12, func(ctx context.Context, _ *call, _ kmsg.Request) (answer, error) {
		close(waiting)
		<-ctx.Done()
		ended <- ctx.Err()
		return answer{}, ctx.Err()
	}}
	_, addr := testBroker(t, Limits{}, handle)
	w := dial(t, addr)
	w.send(frameOf(heartbeatRequest(), 1))
	<-waiting
	_ = w.Close()
	if err := <-ended; err == nil {
		t.Fatal("the handler ended without reason")
	}
}

// acks=0 and close is what a client does that does not care: its records are still
// appended, because the request has arrived.
func TestRequestsThatWereReadAreHandledAfterThePeerCloses(t *testing.T) {
	handled := make(chan struct{}, 5)
	first := make(chan struct{})
	handle := standIn{keyProduce, func(context.Context, *call, kmsg.Request) (answer, error) {
		<-first
		handled <- struct{}{}
		return answer{}, nil
	}}
	_, addr := testBroker(t, Limits{}, handle)
	w := dial(t, addr)
	for i := range int32(5) {
		w.send(frameOf(produceRequest(), i))
	}
	_ = w.Close()
	close(first)
	for range 5 {
		<-handled
	}
}

func TestDrainAnswersWhatWasReadAndClosesTheRest(t *testing.T) {
	handling, commit := make(chan struct{}), make(chan struct{})
	handle := standIn{keyProduce, func(_ context.Context, _ *call, req kmsg.Request) (answer, error) {
		close(handling)
		return answer{later: func(context.Context) kmsg.Response {
			<-commit
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			resp.Topics = []kmsg.ProduceResponseTopic{}
			return resp
		}}, nil
	}}
	b, addr := testBroker(t, Limits{}, handle)
	idle := dial(t, addr)
	w := dial(t, addr)
	w.send(frameOf(produceRequest(), 4))
	<-handling
	drained := make(chan struct{})
	go func() {
		b.Drain(context.Background())
		close(drained)
	}()
	idle.closed()
	close(commit)
	if got, _ := w.receive(); got != 4 {
		t.Fatalf("answer %d", got)
	}
	w.closed()
	<-drained
	if _, err := b.Do(t.Context(), &Caller{}, kmsg.NewPtrApiVersionsRequest()); err != ErrClosed {
		t.Fatalf("a drained broker answers: %v", err)
	}
}

// A JoinGroup that waits when the node closes has no answer. What was asked before it
// on the connection has one all the same.
func TestDrainAnswersWhatCameBeforeARequestThatWaits(t *testing.T) {
	joining, commit := make(chan struct{}), make(chan struct{})
	first := standIn{keyProduce, func(_ context.Context, _ *call, req kmsg.Request) (answer, error) {
		return answer{later: func(context.Context) kmsg.Response {
			<-commit
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			resp.Topics = []kmsg.ProduceResponseTopic{}
			return resp
		}}, nil
	}}
	waits := standIn{12, func(ctx context.Context, _ *call, _ kmsg.Request) (answer, error) {
		close(joining)
		<-ctx.Done()
		return answer{}, ctx.Err()
	}}
	b, addr := testBroker(t, Limits{}, first, waits)
	w := dial(t, addr)
	w.send(frameOf(produceRequest(), 1))
	w.send(frameOf(heartbeatRequest(), 2))
	<-joining
	drained := make(chan struct{})
	go func() {
		b.Drain(context.Background())
		close(drained)
	}()
	<-b.open.Done()
	close(commit)
	if got, _ := w.receive(); got != 1 {
		t.Fatalf("answer %d", got)
	}
	w.closed()
	<-drained
}

func TestConnectionsAreCounted(t *testing.T) {
	_, addr := testBroker(t, Limits{Connections: 2})
	first, second := dial(t, addr), dial(t, addr)
	ask[*kmsg.ApiVersionsResponse](first, kmsg.NewPtrApiVersionsRequest())
	ask[*kmsg.ApiVersionsResponse](second, kmsg.NewPtrApiVersionsRequest())
	dial(t, addr).closed()
}

// What a broker must not do with any of these is answer, hang or end.
func TestBadFramesCloseTheConnection(t *testing.T) {
	_, addr := testBroker(t, Limits{})
	head := func(size int, key, version int16) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(size))
		b = binary.BigEndian.AppendUint16(b, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		return binary.BigEndian.AppendUint32(b, 1)
	}
	good := frameOf(heartbeatRequest(), 1)
	cases := map[string][]byte{
		"an unknown key":               head(20, 999, 0),
		"a key that is not served":     head(20, 4, 0),
		"a negative key":               head(20, -1, 0),
		"an unknown version":           head(20, 3, 99),
		"a negative version":           head(20, 3, -1),
		"a version below the served":   head(20, 0, 2),
		"a version below the range":    head(20, 1, 3),
		"two gigabytes":                head(1<<31-1, 3, 9),
		"a negative length":            head(-5, 3, 9),
		"no room for a header":         head(3, 3, 9),
		"over the limit of its key":    head(1<<20+1, 3, 9),
		"a Produce over its limit":     head(100<<20+1, 0, 9),
		"an ApiVersions over its":      head(64<<10+1, 18, 99),
		"a client id beyond the frame": append(head(12, 3, 1), 0x7f, 0xff, 0, 0),
		"four billion tags":            append(head(16, 3, 9), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0),
		"a body that is cut":           append(head(len(good)-8, 12, 3), good[12:len(good)-4]...),
		"bytes after the body":         append(append(head(len(good), 12, 3), good[12:]...), 0, 0, 0, 0),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			w := dial(t, addr)
			w.send(b)
			w.closed()
		})
	}
	alive(t, addr)
}

func TestStrictOverwritesBuffersThatWereHandled(t *testing.T) {
	kept := make(chan []byte, 1)
	handle := standIn{keyProduce, func(_ context.Context, _ *call, req kmsg.Request) (answer, error) {
		kept <- req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = []kmsg.ProduceResponseTopic{}
		return answer{now: resp}, nil
	}}
	b, addr := testBroker(t, Limits{}, handle)
	req := produceRequest()
	rt := kmsg.NewProduceRequestTopic()
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = []byte("records")
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	w := dial(t, addr)
	ask[*kmsg.ProduceResponse](w, req)
	b.Drain(t.Context()) // the connection's goroutines have ended
	if got := string(<-kept); got == "records" {
		t.Fatal("the handler's bytes are whole after it has returned")
	}
}

// Whoever announces a large request and sends nothing must not hold the memory that
// others need.
func TestASilentSenderDoesNotKeepOthersOut(t *testing.T) {
	_, addr := testBroker(t, Limits{RequestBytes: 100 << 20, ChunkTime: 20 * time.Millisecond})
	silent := dial(t, addr)
	head := binary.BigEndian.AppendUint32(nil, 100<<20)
	head = append(head, 0, keyProduce, 0, 9, 0, 0, 0, 1)
	silent.send(head) // all of the budget
	alive(t, addr)
	silent.closed()
}

// What alone decodes to more than there is for all is refused, not waited for.
func TestARequestBeyondTheDecodeBudgetIsRefused(t *testing.T) {
	_, addr := testBroker(t, Limits{DecodeBytes: 10_000})
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	req.Topics = make([]kmsg.MetadataRequestTopic, 2000)
	w := dial(t, addr)
	w.send(frameOf(req, 1))
	w.closed()
	alive(t, addr)
}
