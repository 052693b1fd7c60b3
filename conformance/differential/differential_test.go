package differential

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/log"
)

var (
	seedFlag = flag.Uint64("differential.seed", 1, "seed of the first sequence (0: a new one)")
	lengthOf = flag.Int("differential.length", 150, "requests of a sequence")
	allFlag  = flag.Bool("differential.all", false, "go on after a difference: what follows may be its consequence")
	forFlag  = flag.Duration("differential.for", 0, "go on with further sequences for that long")
)

// atLeast is how many sequences every run asks.
const atLeast = 16

// Sequences of requests against two empty brokers. A run without flags asks the same
// ones each time: kfake is not ours, and where a new sequence finds it to differ from
// Kafka, what is missing is a line in deviations.txt. To look for more:
//
//	go test ./differential -differential.seed=0 -differential.for=10m -timeout 20m
func TestSameAnswersAsKfake(t *testing.T) {
	known := readDeviations(t, "deviations.txt")
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	asked := map[string]int{}
	start := time.Now()
	for n := 0; n < atLeast || time.Since(start) < *forFlag; n++ {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { sequence(t, seed, known, asked) }) {
			t.Fatalf("again with -differential.seed=%d", seed)
		}
		seed++
	}
	t.Logf("asked %v", asked)
	known.report(t)
}

// sequence asks both brokers the same until an answer differs.
func sequence(t *testing.T, seed uint64, known *deviations, asked map[string]int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	theirs, ours := newSide(ctx, t, "kfake", fake.ListenAddrs()[0]), newSide(ctx, t, "millrace", startNode(t))
	rng := rand.New(rand.NewPCG(seed, 0))
	var steps []string
	for step := range *lengthOf {
		op := draw(rng)
		kind, _, _ := strings.Cut(op.name, " ")
		asked[kind]++
		want, got := op.run(ctx, theirs), op.run(ctx, ours)
		steps = append(steps, fmt.Sprintf("%s: %s", op.name, got))
		if d := known.cover(op.name, want, got); d != nil && d.parts {
			return
		} else if d != nil || want == got {
			continue
		}
		if *allFlag {
			t.Errorf("step %d, %s | %s | %s", step, op.name, want, got)
		} else {
			t.Fatalf("step %d, %s:\nkfake    %s\nmillrace %s\nafter\n%s", step, op.name, want, got, strings.Join(steps, "\n"))
		}
	}
}

// startNode serves a node with an empty directory in this process.
func startNode(t *testing.T) string {
	t.Helper()
	n, err := log.Open(t.Context(), log.Options{DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Sync: log.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}
