package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
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
