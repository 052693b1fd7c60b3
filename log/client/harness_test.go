package client

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 draws one")

// random is a generator whose seed is in the log of a failing test.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (run with -seed %d to repeat)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// fakeKafka starts a cluster of franz-go's fake brokers and a client of it.
func fakeKafka(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, Cluster) {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake, FromKgo(kgoClient(t, fake))
}

func kgoClient(t *testing.T, fake *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(fake.ListenAddrs()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// topics are those that a test needs: their names and partitions.
type topics map[string]int32

// eachCluster runs a test against franz-go's fake brokers, against the log in this
// process, and against the log over TCP.
func eachCluster(t *testing.T, need topics, f func(t *testing.T, cluster Cluster)) {
	run := func(name string, open func(t *testing.T) Cluster) {
		t.Run(name, func(t *testing.T) {
			cluster := open(t)
			for name, n := range need {
				if err := newTestClient(cluster).EnsureTopics(testContext(t), TopicSpec{Name: name, Partitions: n}); err != nil {
					t.Fatal(err)
				}
			}
			f(t, cluster)
		})
	}
	run("fake", func(t *testing.T) Cluster { _, cluster := fakeKafka(t); return cluster })
	run("session", func(t *testing.T) Cluster { return openNode(t).Session(log.SessionOptions{ClientID: "test"}) })
	run("served", func(t *testing.T) Cluster { return served(t, openNode(t)) })
}

// openNode opens a node of the log on a disk in memory.
func openNode(t *testing.T) *log.Node {
	t.Helper()
	n, err := log.Open(t.Context(), log.Options{DataDir: "data", FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

// served is a node as a client at the other end of a socket sees it.
func served(t *testing.T, n *log.Node, opts ...kgo.Opt) Cluster {
	t.Helper()
	l, err := n.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- l.Serve(ctx) }()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.Addr())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cl.Close()
		cancel()
		<-done
	})
	return FromKgo(cl)
}

// oldTransactions limits a client to the versions before KIP-890, as a cluster
// that has not finalized transaction.version=2 would.
func oldTransactions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(0, produceV2-1)
	v.SetMaxKeyVersion(26, endTxnV2-1)
	v.SetMaxKeyVersion(28, txnOffsetCommitV2-1)
	return v
}

func newTestClient(cluster Cluster) *Client {
	return New(cluster, Options{Logger: slog.New(slog.DiscardHandler)})
}

// flaky is a Cluster that loses requests and answers, and refuses as leaders and
// coordinators do when they move.
type flaky struct {
	Cluster
	mu   sync.Mutex
	rng  *rand.Rand // guarded by mu
	rate float64    // of requests that something happens to; guarded by mu
	only map[int16]bool
	hits map[string]int
}

var errLost = errors.New("connection lost")

func newFlaky(c Cluster, rng *rand.Rand, rate float64, only ...int16) *flaky {
	f := &flaky{Cluster: c, rng: rng, rate: rate, hits: map[string]int{}}
	if len(only) > 0 {
		f.only = map[int16]bool{}
		for _, k := range only {
			f.only[k] = true
		}
	}
	return f
}

func (f *flaky) calm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = 0
}

// fate draws what happens: 0 nothing, 1 the request is lost, 2 the answer is, 3 a
// refusal.
func (f *flaky) fate(key int16) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.only != nil && !f.only[key] || f.rng.Float64() >= f.rate {
		return 0
	}
	fate := 1 + f.rng.IntN(3)
	f.hits[fmt.Sprintf("%s/%d", kmsg.NameForKey(key), fate)]++
	return fate
}

func (f *flaky) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return f.ask(ctx, f.Cluster, req)
}

func (f *flaky) Broker(id int32) kmsg.Requestor {
	return flakyBroker{f, f.Cluster.Broker(id)}
}

type flakyBroker struct {
	f *flaky
	b kmsg.Requestor
}

func (b flakyBroker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return b.f.ask(ctx, b.b, req)
}

func (f *flaky) ask(ctx context.Context, to kmsg.Requestor, req kmsg.Request) (kmsg.Response, error) {
	switch fate := f.fate(req.Key()); fate {
	case 1:
		return nil, errLost
	case 2:
		_, _ = to.Request(ctx, req)
		return nil, errLost
	case 3:
		if resp := refusal(req); resp != nil {
			return resp, nil
		}
	}
	return to.Request(ctx, req)
}

// refusal is what a broker answers that is not (or not yet) in charge.
func refusal(req kmsg.Request) kmsg.Response {
	switch r := req.(type) {
	case *kmsg.EndTxnRequest:
		resp := kmsg.NewPtrEndTxnResponse()
		resp.ErrorCode = kerr.ConcurrentTransactions.Code
		return resp
	case *kmsg.InitProducerIDRequest:
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return resp
	case *kmsg.ProduceRequest:
		resp := kmsg.NewPtrProduceResponse()
		for _, t := range r.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.NotLeaderForPartition.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	case *kmsg.FetchRequest:
		resp := kmsg.NewPtrFetchResponse()
		for _, t := range r.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.FencedLeaderEpoch.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	}
	return nil
}

// readAll reads values of a partition from an offset until AtEnd.
func readAll(t *testing.T, c *Client, iso Isolation, tp TopicPartition, from int64) (values []string, offsets []int64) {
	t.Helper()
	ctx := testContext(t)
	f := c.NewFetcher(FetcherOptions{Isolation: iso, MaxWait: 10 * time.Millisecond})
	defer f.Close()
	cur := f.Open(tp, from)
	var it Records
	for !cur.AtEnd() {
		got, err := cur.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for it.Reset(got); it.Next(); {
			values = append(values, string(it.Value))
			offsets = append(offsets, it.Offset)
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	return values, offsets
}
