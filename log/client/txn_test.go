package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// eachVersion runs a test under both transaction protocols, wherever there is a
// choice.
func eachVersion(t *testing.T, f func(t *testing.T, version int, cluster Cluster)) {
	need := topics{"in": 2, "out": 2}
	t.Run("v1/fake", func(t *testing.T) {
		fake, _ := fakeKafka(t, kfake.SeedTopics(2, "in", "out"))
		f(t, 1, FromKgo(kgoClient(t, fake, kgo.MaxVersions(oldTransactions()))))
	})
	t.Run("v1/served", func(t *testing.T) {
		cluster := served(t, openNode(t), kgo.MaxVersions(oldTransactions()))
		for name, n := range need {
			if err := newTestClient(cluster).EnsureTopics(testContext(t), TopicSpec{Name: name, Partitions: n}); err != nil {
				t.Fatal(err)
			}
		}
		f(t, 1, cluster)
	})
	t.Run("v2", func(t *testing.T) {
		eachCluster(t, need, func(t *testing.T, cluster Cluster) { f(t, 2, cluster) })
	})
}

func newTxn(t *testing.T, c *Client, id string) *TxnProducer {
	t.Helper()
	p := c.NewTxnProducer(TxnOptions{TransactionalID: id, ProducerOptions: ProducerOptions{BatchBytes: 200}})
	t.Cleanup(func() { p.Close() })
	if err := p.Init(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTransactions(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int, cluster Cluster) {
		c, ctx := newTestClient(cluster), testContext(t)
		p := newTxn(t, c, "txn")
		if p.Version() != version {
			t.Fatalf("speaks version %d", p.Version())
		}
		var committed [2][]string
		for i := range 20 {
			commit := i%3 != 0
			for n := range i { // the first is empty
				part, v := int32(n%2), fmt.Sprintf("%d.%d", i, n)
				if err := p.Append("out", part, 0, nil, []byte(v)); err != nil {
					t.Fatal(err)
				}
				if commit {
					committed[part] = append(committed[part], v)
				}
			}
			offset := Committed{Offset: int64(i), LeaderEpoch: -1, Metadata: fmt.Sprint("epoch ", i)}
			if err := p.CommitOffsets(ctx, GroupMeta{Group: "g", Generation: -1}, map[TopicPartition]Committed{{"in", 1}: offset}); err != nil {
				t.Fatal(err)
			}
			if err := p.End(ctx, commit); err != nil {
				t.Fatalf("end of %d: %v", i, err)
			}
		}
		for part, want := range committed {
			got, _ := readAll(t, c, ReadCommitted, TopicPartition{"out", int32(part)}, 0)
			if !slices.Equal(got, want) {
				t.Errorf("partition %d: read %v, want %v", part, got, want)
			}
		}
		offsets, err := c.FetchOffsets(ctx, "g", true)
		want := Committed{Offset: 19, LeaderEpoch: -1, Metadata: "epoch 19"}
		if err != nil || len(offsets) != 1 || offsets[TopicPartition{"in", 1}] != want {
			t.Errorf("offsets %v, %v", offsets, err)
		}
	})
}

func TestEndWithoutBeginDoesNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ int, cluster Cluster) {
		p := newTxn(t, newTestClient(cluster), "txn")
		for _, commit := range []bool{true, false, true} {
			if err := p.End(testContext(t), commit); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestFenced: the older of two lives loses, whatever it tries, and may come back
// by Init.
func TestFenced(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ int, cluster Cluster) {
		c, ctx := newTestClient(cluster), testContext(t)
		old := newTxn(t, c, "txn")
		if err := old.Append("out", 0, 0, nil, []byte("old")); err != nil {
			t.Fatal(err)
		}
		if err := old.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		young := newTxn(t, c, "txn")
		// Brokers without KAFKA-20785 call it an invalid state, which says less.
		if err := old.End(ctx, true); !errors.Is(err, ErrFenced) && !errors.Is(err, ErrUnknownOutcome) {
			t.Fatalf("the old life commits: %v", err)
		}
		if err := old.Append("out", 0, 0, nil, []byte("x")); err == nil {
			t.Fatal("the old life appends")
		}
		if err := young.Append("out", 0, 0, nil, []byte("young")); err != nil {
			t.Fatal(err)
		}
		if err := young.End(ctx, true); err != nil {
			t.Fatal(err)
		}
		if err := old.Init(ctx); err != nil {
			t.Fatal(err)
		}
		if err := old.Append("out", 0, 0, nil, []byte("back")); err != nil {
			t.Fatal(err)
		}
		if err := old.End(ctx, true); err != nil {
			t.Fatal(err)
		}
		got, _ := readAll(t, c, ReadCommitted, TopicPartition{"out", 0}, 0)
		if !slices.Equal(got, []string{"young", "back"}) {
			t.Fatalf("read %v", got)
		}
	})
}

// TestTransactionsThroughFaults is a loop as the engine's: after an unknown
// outcome it initialises and lets the committed offset say what happened. Every
// input is counted once.
func TestTransactionsThroughFaults(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ int, cluster Cluster) {
		rng := random(t)
		flaky := newFlaky(cluster, rand.New(rand.NewPCG(rng.Uint64(), 0)), 0.2, 0, 22, 26, 3, 24, 25)
		c, ctx := newTestClient(flaky), testContext(t)
		p := newTxn(t, c, "txn")
		group, at := GroupMeta{Group: "g", Generation: -1}, TopicPartition{"in", 0}
		const total = 300
		unknown := 0
		for next := 0; next < total; {
			end := min(next+1+rng.IntN(20), total)
			err := writeEpoch(ctx, p, group, at, next, end, rng)
			if err == nil {
				next = end
				continue
			}
			if errors.Is(err, errChange) {
				continue // aborted on purpose
			}
			unknown++
			if err := p.Init(ctx); err != nil {
				t.Fatal(err)
			}
			got, err := c.FetchOffsets(ctx, "g", true, at)
			if err != nil {
				t.Fatal(err)
			}
			next = int(got[at].Offset)
		}
		flaky.calm()
		var all []int
		for part := range int32(2) {
			values, _ := readAll(t, c, ReadCommitted, TopicPartition{"out", part}, 0)
			for _, v := range values {
				var n int
				fmt.Sscan(v, &n)
				all = append(all, n)
			}
		}
		slices.Sort(all)
		for i, n := range all {
			if i != n {
				t.Fatalf("input %d is missing or doubled: %v", i, all)
			}
		}
		if len(all) != total {
			t.Fatalf("%d outputs of %d inputs", len(all), total)
		}
		t.Logf("unknown outcomes %d, faults %v", unknown, flaky.hits)
	})
}

var errChange = errors.New("changed our mind")

func writeEpoch(ctx context.Context, p *TxnProducer, g GroupMeta, at TopicPartition, from, to int, rng *rand.Rand) error {
	for i := from; i < to; i++ {
		if err := p.Append("out", int32(rng.IntN(2)), 0, nil, fmt.Append(nil, i)); err != nil {
			return err
		}
	}
	if rng.IntN(5) == 0 {
		if err := p.End(ctx, false); err != nil {
			return err
		}
		return errChange
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	if err := p.CommitOffsets(ctx, g, map[TopicPartition]Committed{at: {Offset: int64(to), LeaderEpoch: -1}}); err != nil {
		return err
	}
	if rng.IntN(4) == 0 { // no patience for the answer
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	return p.End(ctx, true)
}

// TestFetchOffsetsWaitsForStability: while a transaction carries offsets of the
// group, a stable fetch waits for its end.
func TestFetchOffsetsWaitsForStability(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ int, cluster Cluster) {
		c, ctx := newTestClient(cluster), testContext(t)
		p := newTxn(t, c, "txn")
		at := TopicPartition{"in", 0}
		outside := GroupMeta{Group: "g", Generation: -1}
		if err := c.CommitOffsets(ctx, outside, map[TopicPartition]Committed{at: {Offset: 3, LeaderEpoch: -1}}); err != nil {
			t.Fatal(err)
		}
		if err := p.CommitOffsets(ctx, outside, map[TopicPartition]Committed{at: {Offset: 7, LeaderEpoch: -1}}); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if got, err := c.FetchOffsets(short, "g", true, at); err == nil {
			t.Fatalf("read %v while the transaction is open", got)
		}
		if got, err := c.FetchOffsets(ctx, "g", false, at); err != nil || got[at].Offset != 3 {
			t.Fatalf("an unstable fetch found %v, %v", got, err)
		}
		if err := p.End(ctx, true); err != nil {
			t.Fatal(err)
		}
		got, err := c.FetchOffsets(ctx, "g", true, at)
		if err != nil || got[at].Offset != 7 {
			t.Fatalf("read %v, %v", got, err)
		}
	})
}
