package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
)

// testBroker is a broker with metadata but without partitions and coordinators:
// enough for everything that happens on a connection. Requests that need more are
// tested through a whole node, in package log.
func testBroker(t testing.TB, limits Limits, stand ...standIn) (*Broker, string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	logger := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	directory := meta.NewID(rng)
	m, err := meta.Open(t.Context(), meta.Options{
		FS: vfs.NewMem(), Dir: "meta", ClusterID: meta.NewID(rng), Directory: directory, Source: rng, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.RegisterBroker(t.Context(), meta.Broker{
		NodeID: 1, Directory: directory, Incarnation: meta.NewID(rng), PreviousEpoch: -1, Features: meta.SupportedFeatures(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := New(Options{NodeID: 1, Meta: m, Logger: logger, AutoCreate: true, DefaultPartitions: 1, Limits: limits, Strict: true})
	for _, s := range stand {
		h := *b.handlers[s.key]
		h.handle = s.handle
		b.handlers[s.key] = &h
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve(l, &Listener{Name: "TEST"}) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		b.Drain(ctx)
		if err := errors.Join(<-served, m.Close()); err != nil {
			t.Error(err)
		}
	})
	return b, l.Addr().String()
}

// testLog sends the broker's log to the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// standIn handles a key instead of its handler.
type standIn struct {
	key    int16
	handle func(context.Context, *call, kmsg.Request) (answer, error)
}

// wire is a client that sends bytes as it likes.
type wire struct {
	t testing.TB
	net.Conn
}

func dial(t testing.TB, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second)) // a broken broker must not hang the test
	return &wire{t, nc}
}

// frameOf is a request as a client would send it.
func frameOf(req kmsg.Request, correlation int32) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, correlation)
}

func (w *wire) send(b []byte) {
	w.t.Helper()
	if _, err := w.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads one response's frame: the correlation id and what follows it.
func (w *wire) receive() (correlation int32, rest []byte) {
	w.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		w.t.Fatal(err)
	}
	rest = make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(w, rest); err != nil {
		w.t.Fatal(err)
	}
	return int32(binary.BigEndian.Uint32(head[4:])), rest
}

// ask sends a request and decodes the response.
func ask[R kmsg.Response](w *wire, req kmsg.Request) R {
	w.t.Helper()
	w.send(frameOf(req, 7))
	correlation, rest := w.receive()
	if correlation != 7 {
		w.t.Fatalf("the response is for request %d", correlation)
	}
	resp := req.ResponseKind()
	if resp.IsFlexible() && resp.Key() != keyApiVersions {
		if rest[0] != 0 {
			w.t.Fatalf("the header of a flexible response begins with %x", rest[0])
		}
		rest = rest[1:]
	}
	if err := resp.ReadFrom(rest); err != nil {
		w.t.Fatal(err)
	}
	return resp.(R)
}

// closed waits for the broker to close the connection and fails if it sends
// something instead.
func (w *wire) closed() {
	w.t.Helper()
	n, err := w.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Fatalf("the connection is open: read %d bytes, %v", n, err)
	}
}

// alive proves that the broker still answers.
func alive(t testing.TB, addr string) {
	t.Helper()
	w := dial(t, addr)
	req := kmsg.NewPtrApiVersionsRequest()
	if resp := ask[*kmsg.ApiVersionsResponse](w, req); resp.ErrorCode != 0 {
		t.Fatalf("ApiVersions: error %d", resp.ErrorCode)
	}
	_ = w.Close()
}
