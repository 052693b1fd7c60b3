package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestStuckTransaction: a producer has died within a transaction, and readers of
// committed data stand still. A person finds out whose it is and aborts it.
func TestStuckTransaction(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }
	run("topic", "create", "orders").want(t, 0)
	ctx := context.Background()
	stuck, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("shop-7"), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if err := stuck.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := stuck.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}

	run("txn", "list").want(t, 0, "shop-7", "Ongoing")
	run("txn", "list", "--state", "Empty", "-o", "json").want(t, 0, "[]")
	run("txn", "describe", "shop-7").want(t, 0, "shop-7", "Ongoing", "orders", "[0]")
	run("txn", "describe", "shop-8").want(t, 1, "no transactional id shop-8")
	var open []producerInfo
	o := run("txn", "producers", "orders", "--open", "-o", "json")
	if err := json.Unmarshal([]byte(o.stdout), &open); err != nil || len(open) != 1 {
		t.Fatalf("txn producers --open: %v\n%s%s", err, o.stdout, o.stderr)
	}
	if open[0].ID != "shop-7" || *open[0].OpenSince != 0 {
		t.Errorf("the producer that holds readers back is %s", o.stdout)
	}

	run("txn", "abort", "shop-8").want(t, 1, "no transactional id shop-8")
	run("txn", "abort", "shop-7").want(t, 0, "aborted")
	run("txn", "abort", "shop-7").want(t, 0, "no open transaction")
	if o := run("txn", "producers", "orders", "--open", "-o", "json"); strings.TrimSpace(o.stdout) != "[]" {
		t.Errorf("after the abort still open: %s", o.stdout)
	}
	if err := stuck.EndTransaction(ctx, kgo.TryCommit); !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("the producer that was fenced could commit: %v", err)
	}
}
