package broker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// with are the lines that hold a text.
func (l *lines) with(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// of has a broker write to the test's lines from now on.
func (l *lines) of(b *Broker, level slog.Level) {
	b.opts.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// TestRefusalsAreWrittenDown is refused over a connection and reads the line.
func TestRefusalsAreWrittenDown(t *testing.T) {
	refuse := standIn{keyProduce, func(context.Context, *call, kmsg.Request) (answer, error) {
		resp := kmsg.NewPtrProduceResponse()
		p := kmsg.ProduceResponseTopicPartition{Partition: 3, ErrorCode: kerr.MessageTooLarge.Code, ErrorMessage: new("it has 9 bytes")}
		p.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{}
		resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "orders", Partitions: []kmsg.ProduceResponseTopicPartition{p}}}
		return answer{now: resp}, nil
	}}
	expected := standIn{keyFetch, func(context.Context, *call, kmsg.Request) (answer, error) {
		resp := kmsg.NewPtrFetchResponse()
		resp.Topics = []kmsg.FetchResponseTopic{}
		resp.ErrorCode = kerr.FetchSessionIDNotFound.Code
		return answer{now: resp}, nil
	}}
	b, addr := testBroker(t, Limits{}, refuse, expected)
	var log lines
	log.of(b, slog.LevelInfo)
	w := dial(t, addr)
	for range 3 {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks = 9, 1
		ask[*kmsg.ProduceResponse](w, req)
		fetch := kmsg.NewPtrFetchRequest()
		fetch.Version = 11
		ask[*kmsg.FetchResponse](w, fetch)
	}
	// The line is written after the answer has left: the next answer is behind it.
	ask[*kmsg.ApiVersionsResponse](w, kmsg.NewPtrApiVersionsRequest())
	got := log.with("request refused")
	if len(got) != 1 {
		t.Fatalf("%d lines: %q", len(got), got)
	}
	for _, part := range []string{"level=WARN", "api=Produce", "version=9", "error=MESSAGE_TOO_LARGE", `about="topic orders, partition 3"`,
		`reason="it has 9 bytes"`, "principal=User:ANONYMOUS", "client_id=wire", "client=127.0.0.1", "listener=TEST"} {
		if !strings.Contains(got[0], part) {
			t.Errorf("the line has no %s: %s", part, got[0])
		}
	}
	for _, k := range b.Stats().Keys {
		if k.Key == keyProduce && (len(k.Errors) != 1 || k.Errors[0] != ErrorCount{"MESSAGE_TOO_LARGE", 3}) {
			t.Errorf("errors of Produce: %+v", k.Errors)
		}
	}
}

// TestRefusalsAreThinnedOut has one client refused again and again, and then very many.
func TestRefusalsAreThinnedOut(t *testing.T) {
	var r refusals
	now := time.Unix(1000, 0)
	one := refusalKey{clientID: "one", code: 3}
	if n, ok := r.allow(one, now); !ok || n != 0 {
		t.Fatal("the first line is not written")
	}
	for range 5 {
		if _, ok := r.allow(one, now.Add(refusalPause-1)); ok {
			t.Fatal("a repetition is written")
		}
	}
	if _, ok := r.allow(refusalKey{clientID: "one", code: 4}, now); !ok {
		t.Error("another error of the client is not written")
	}
	if n, ok := r.allow(one, now.Add(refusalPause)); !ok || n != 5 {
		t.Errorf("after the pause: written %v, %d suppressed", ok, n)
	}
	now = now.Add(time.Hour)
	written := 0
	for i := range 10 * maxRefusals {
		if _, ok := r.allow(refusalKey{clientID: fmt.Sprint(i)}, now); ok {
			written++
		}
	}
	if written != maxReports || len(r.seen) > maxRefusals {
		t.Errorf("%d lines in a moment, %d clients remembered", written, len(r.seen))
	}
	if n, ok := r.allow(one, now.Add(refusalPause)); !ok || n < 10*maxRefusals-maxReports {
		t.Errorf("afterwards: written %v, %d suppressed", ok, n)
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		key  int16
		err  *kerr.Error
		want slog.Level
	}{
		{keyProduce, kerr.NotLeaderForPartition, slog.LevelDebug}, {11, kerr.MemberIDRequired, slog.LevelDebug},
		{keyProduce, kerr.TopicAuthorizationFailed, slog.LevelWarn}, {keyProduce, kerr.KafkaStorageError, slog.LevelWarn},
		{19, kerr.TopicAlreadyExists, slog.LevelInfo}, {19, kerr.ThrottlingQuotaExceeded, slog.LevelInfo},
		{keyApiVersions, kerr.UnsupportedVersion, slog.LevelDebug}, {19, kerr.UnsupportedVersion, slog.LevelInfo},
	} {
		if got := levelOf(c.key, c.err.Code); got != c.want {
			t.Errorf("%s: %v, want %v", c.err.Message, got, c.want)
		}
	}
	for code := range expected {
		if alarming[code] {
			t.Errorf("%s is both expected and alarming", errorName(code))
		}
	}
}
