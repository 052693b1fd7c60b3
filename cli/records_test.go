package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestProduceSendsWhatItHas: whoever pipes a slow program into produce sees its lines
// come, and an interrupt while it waits for more ends it with all of them written.
func TestProduceSendsWhatItHas(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	input, w := io.Pipe()
	defer w.Close()
	var stdout, stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- Run(ctx, []string{"produce", "slow", "--brokers", addr}, input, &stdout, &stderr)
	}()
	if _, err := io.WriteString(w, "one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	follower := start(t, "consume", "slow", "--follow", "--count", "2", "--brokers", addr)
	for follower.status(t) == 1 { // until the topic is there
		follower = start(t, "consume", "slow", "--follow", "--count", "2", "--brokers", addr)
	}
	if got := follower.stdout.String(); got != "one\ntwo\n" {
		t.Errorf("consume printed %q while produce waits", got)
	}
	cancel()
	if got := <-status; got != 0 || !strings.Contains(stderr.String(), "wrote 2 records") {
		t.Errorf("interrupted, produce ended with %d:\n%s", got, stderr.String())
	}
}

// A literal \t, as every shell hands it over from '\t', divided nothing: lines went in
// without a key, and nobody said so.
func TestProduceTakesEscapesAsASeparator(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "ada\tsix\nbob\t\n", "produce", "scores", "-K", `\t`, "-b", addr).want(t, 0, "wrote 2 records")
	millrace(t, "bob\t\ncleo\n", "produce", "scores", "-K", `\t`, "--tombstones", "-b", addr).want(t, 0)
	got := millrace(t, "", "consume", "scores", "-o", "json", "-b", addr)
	got.want(t, 0, `"key":"ada","value":"six"`, `"key":"bob","value":""`, `"key":"bob","value":null`, `"key":"cleo","value":null`)
	millrace(t, "", "produce", "scores", "-K", `\x`, "-b", addr).want(t, 2, `write \t, \n, \0`)
	millrace(t, "", "produce", "scores", "-Z", "-b", addr).want(t, 2, "--tombstones needs --key-separator")
	millrace(t, "", "produce", "scores", "-p", "-2", "-b", addr).want(t, 2, "counted from 0")
	big := millrace(t, strings.Repeat("x", 2<<20)+"\n", "produce", "scores", "-b", addr)
	big.want(t, 1, "MESSAGE_TOO_LARGE", "(1 line was read)")
}

func TestConsumeFromSoLongAgo(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "a\nb\n", "produce", "scores", "-b", addr).want(t, 0)
	millrace(t, "", "consume", "scores", "--from", "-1h", "-b", addr).want(t, 0, "a\nb\n")
	for _, bad := range [][]string{{"--from", "yesterday"}, {"-n", "-1"}, {"-p", "-1"}} {
		millrace(t, "", append([]string{"consume", "scores", "-b", addr}, bad...)...).want(t, 2, bad[0][1:])
	}
}

// Tracing ids, types and the like travel in headers, and consume -o json left them out.
func TestConsumeShowsHeaders(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "topic", "create", "orders", "-b", addr).want(t, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, r := range []*kgo.Record{
		{Topic: "orders", Value: []byte("text"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("a1")}, {Key: "none"}}},
		{Topic: "orders", Value: []byte("bytes"), Headers: []kgo.RecordHeader{{Key: "b", Value: []byte{0xff}}}},
	} {
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	millrace(t, "", "consume", "orders", "-o", "json", "-b", addr).want(t, 0,
		`"value":"text","headers":[{"key":"trace","value":"a1"},{"key":"none","value":null}]}`,
		`"value":"Ynl0ZXM=","headers":[{"key":"Yg==","value":"/w=="}],"base64":true}`)
}

// Of "topic delete a b" with no b, a was gone and only b was spoken of.
func TestTopicDeleteSaysWhatIsGone(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "topic", "create", "orders", "-b", addr).want(t, 0)
	millrace(t, "", "topic", "delete", "nope", "orders", "-b", addr).want(t, 1, "deleted orders\n", "topic nope: unknown topic", "millrace topic list names")
	millrace(t, "", "topic", "describe", "orders", "-b", addr).want(t, 1, "topic orders: unknown topic", "millrace topic list names")
}

func TestNoBrokerIsSaidOnce(t *testing.T) {
	addr := freeAddress(t)
	got := millrace(t, "", "topic", "list", "-b", addr, "--timeout", "50ms")
	got.want(t, 1, "no broker at "+addr+" answers: connect: connection refused (")
}

// "ask for a producer id: ask for a producer id: CLUSTER_AUTHORIZATION_FAILED (0 lines
// were read)" told nobody that a user may not write to a topic.
func TestProduceSaysWhichRightIsMissing(t *testing.T) {
	addr := freeAddress(t)
	start(t, "server", "--data", t.TempDir(), "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", "User:admin").until(t, "listening on")
	got := millrace(t, "x\n", "produce", "orders", "-b", addr)
	got.want(t, 1)
	if n := strings.Count(got.stderr, "producer id"); n > 1 {
		t.Errorf("it is said %d times: %s", n, got.stderr)
	}
}
