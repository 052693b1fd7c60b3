package log

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestProduceAndConsumeWithEachCodec(t *testing.T) {
	_, addr := newNode(t)
	want := numbered(strings.Repeat("value", 20), 500)
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		topic := "codec-" + name
		createTopic(t, addr, topic, 1, nil)
		produce(t, client(t, addr, kgo.ProducerBatchCompression(codec)), topic, want...)
		got := consume(t, client(t, addr, kgo.ConsumeTopics(topic)), len(want))
		if !slices.Equal(values(got), want) {
			t.Errorf("%s: other values came back", name)
		}
		for i, r := range got {
			if r.Offset != int64(i) || r.LeaderEpoch < 0 {
				t.Fatalf("%s: record %d has offset %d, leader epoch %d", name, i, r.Offset, r.LeaderEpoch)
			}
		}
	}
}

func TestAcks(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "acks", 1, nil)
	for _, acks := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
		opts := []kgo.Opt{kgo.RequiredAcks(acks)}
		if acks != kgo.AllISRAcks() {
			opts = append(opts, kgo.DisableIdempotentWrite())
		}
		produce(t, client(t, addr, opts...), "acks", "a", "b")
	}
	consume(t, client(t, addr, kgo.ConsumeTopics("acks")), 6)
}

func TestMetadataCreatesTopics(t *testing.T) {
	_, addr := newNode(t)
	cl := client(t, addr, kgo.AllowAutoTopicCreation())
	produce(t, cl, "made-by-asking", "x")

	_, addr = newNode(t, func(o *Options) { o.NoAutoCreate = true })
	cl = client(t, addr, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
	err := cl.ProduceSync(within(t), &kgo.Record{Topic: "made-by-asking", Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Fatalf("with auto-creation off: %v", err)
	}
}

func TestAGroupOfTwoSharesAndGoesOn(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "shared", 4, nil)
	ctx := within(t)
	join := func() *kgo.Client {
		return client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("shared"), kgo.DisableAutoCommit())
	}
	first := join()
	producer := client(t, addr, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	produce(t, producer, "shared", numbered("a", 100)...)
	got := consume(t, first, 100)
	if err := first.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	second := join()
	// Both have partitions once the group has rebalanced.
	adm := admin(t, addr)
	for {
		groups, err := adm.DescribeGroups(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		if g := groups["g"]; g.State == "Stable" && len(g.Members) == 2 && sharedByAll(g) {
			break
		}
		// The members only rebalance while they poll.
		for _, cl := range []*kgo.Client{first, second} {
			poll, cancel := context.WithCancel(ctx)
			cancel()
			cl.PollFetches(poll)
		}
	}
	produce(t, producer, "shared", numbered("b", 100)...)
	seen := make(chan []string, 2)
	for _, cl := range []*kgo.Client{first, second} {
		go func() {
			var vs []string
			for !slices.ContainsFunc(vs, func(v string) bool { return v == "stop" }) {
				vs = append(vs, values(cl.PollFetches(ctx).Records())...)
				if ctx.Err() != nil {
					break
				}
			}
			seen <- vs
		}()
	}
	// One record for each partition ends both readers.
	var stops []*kgo.Record
	for p := range int32(4) {
		stops = append(stops, &kgo.Record{Topic: "shared", Partition: p, Value: []byte("stop")})
	}
	if err := client(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(ctx, stops...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	both := append(<-seen, <-seen...)
	fresh := slices.DeleteFunc(both, func(v string) bool { return v == "stop" })
	slices.Sort(fresh)
	want := numbered("b", 100)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(fresh), want) || len(got) != 100 {
		t.Fatalf("the two read %d values of the second hundred", len(fresh))
	}
}

func sharedByAll(g kadm.DescribedGroup) bool {
	for _, m := range g.Members {
		if a, ok := m.Assigned.AsConsumer(); !ok || len(a.Topics) == 0 {
			return false
		}
	}
	return true
}

// Transactions in both versions: with the finalized feature clients use version 2;
// pinned to what Kafka 3.6 had they use version 1.
func TestTransactions(t *testing.T) {
	for name, pin := range map[string][]kgo.Opt{"version 2": nil, "version 1": {kgo.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			_, addr := newNode(t)
			createTopic(t, addr, "in", 1, nil)
			createTopic(t, addr, "out", 3, nil)
			ctx := within(t)
			cl := client(t, addr, append(pin, kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))...)
			for round := range 6 {
				commit := kgo.TransactionEndTry(round%2 == 0)
				if err := cl.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				prefix := map[kgo.TransactionEndTry]string{kgo.TryCommit: "yes", kgo.TryAbort: "no"}[commit]
				produce(t, cl, "out", numbered(prefix+string(rune('a'+round)), 10)...)
				if err := cl.EndTransaction(ctx, commit); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			committed := consume(t, client(t, addr, kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted())), 30)
			for _, v := range values(committed) {
				if !strings.HasPrefix(v, "yes") {
					t.Errorf("a reader of committed data saw %q", v)
				}
			}
			consume(t, client(t, addr, kgo.ConsumeTopics("out")), 60)
		})
	}
}

// Consume, transform, produce: offsets and outputs commit or abort together.
func TestExactlyOnceSession(t *testing.T) {
	for name, pin := range map[string][]kgo.Opt{"version 2": nil, "version 1": {kgo.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			_, addr := newNode(t)
			createTopic(t, addr, "in", 1, nil)
			createTopic(t, addr, "out", 1, nil)
			produce(t, client(t, addr), "in", numbered("v", 50)...)
			ctx := within(t)
			for attempt, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
				s, err := kgo.NewGroupTransactSession(append(pin, kgo.SeedBrokers(addr), kgo.TransactionalID("session"),
					kgo.ConsumerGroup("eos"), kgo.ConsumeTopics("in"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(); err != nil {
					t.Fatal(err)
				}
				for n := 0; n < 50; {
					s.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
						n++
						s.Produce(ctx, &kgo.Record{Topic: "out", Value: r.Value}, nil)
					})
					if ctx.Err() != nil {
						t.Fatalf("attempt %d: %d records came", attempt, n)
					}
				}
				if ended, err := s.End(ctx, commit); err != nil || ended != bool(commit) {
					t.Fatalf("attempt %d: ended %v, %v", attempt, ended, err)
				}
				s.Close()
			}
			got := consume(t, client(t, addr, kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted())), 50)
			if !slices.Equal(values(got), numbered("v", 50)) {
				t.Fatalf("read %v", values(got))
			}
			offsets, err := admin(t, addr).FetchOffsets(ctx, "eos")
			if err != nil {
				t.Fatal(err)
			}
			if o, _ := offsets.Lookup("in", 0); o.At != 50 {
				t.Fatalf("the group is at %d", o.At)
			}
		})
	}
}

func TestAdmin(t *testing.T) {
	_, addr := newNode(t)
	adm, ctx := admin(t, addr), within(t)
	if _, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": new("1000000")}, "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(ctx, 2, 1, nil, "t"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := adm.CreateTopic(ctx, 2, 1, nil, "no spaces"); !errors.Is(err, kerr.InvalidTopicException) {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := adm.CreateTopic(ctx, 2, 3, nil, "three"); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("three replicas on one node: %v", err)
	}
	if _, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"nonsense": new("1")}, "c"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("an unknown config: %v", err)
	}
	if r, err := adm.UpdatePartitions(ctx, 5, "t"); err != nil || r.Error() != nil {
		t.Error(err, r.Error())
	}
	if r, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "max.message.bytes", Value: new("2000")},
		{Op: kadm.DeleteConfig, Name: "retention.ms"},
		{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: new("compact")},
	}, "t"); err != nil || r[0].Err != nil {
		t.Error(err, r)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"max.message.bytes": "2000", "retention.ms": "604800000", "cleanup.policy": "delete,compact"}
	for _, c := range configs[0].Configs {
		if w, ok := want[c.Key]; ok && c.MaybeValue() != w {
			t.Errorf("%s is %q, want %q", c.Key, c.MaybeValue(), w)
		}
		delete(want, c.Key)
	}
	if len(want) > 0 {
		t.Errorf("not described: %v", want)
	}
	topics, err := adm.ListTopics(ctx)
	if err != nil || len(topics) != 1 || len(topics["t"].Partitions) != 5 {
		t.Errorf("listed %v, %v", topics, err)
	}
	internal, err := adm.ListTopicsWithInternal(ctx)
	if err != nil || !internal.Has("__consumer_offsets") || !internal.Has("__transaction_state") {
		t.Errorf("internal topics: %v, %v", internal.Names(), err)
	}
	cluster, err := adm.BrokerMetadata(ctx)
	if err != nil || len(cluster.Brokers) != 1 || cluster.Controller != 1 || cluster.Cluster == "" {
		t.Errorf("cluster %+v, %v", cluster, err)
	}
	if r, err := adm.DeleteTopics(ctx, "t"); err != nil || r.Error() != nil {
		t.Error(err, r.Error())
	}
	if r, err := adm.DeleteTopics(ctx, "__consumer_offsets"); err != nil || r.Error() == nil {
		t.Errorf("an internal topic was deleted: %v, %v", err, r)
	}
}

func TestOffsetsAndRecordDeletion(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	adm, ctx, cl := admin(t, addr), within(t), client(t, addr)
	for i, v := range numbered("v", 10) {
		r := &kgo.Record{Topic: "t", Value: []byte(v)}
		r.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i)*1000)
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, listed kadm.ListedOffsets, err error, want int64) {
		t.Helper()
		if o, _ := listed.Lookup("t", 0); err != nil || o.Err != nil || o.Offset != want {
			t.Errorf("%s: offset %d, %v %v; want %d", what, o.Offset, err, o.Err, want)
		}
	}
	l, err := adm.ListStartOffsets(ctx, "t")
	check("start", l, err, 0)
	l, err = adm.ListEndOffsets(ctx, "t")
	check("end", l, err, 10)
	l, err = adm.ListOffsetsAfterMilli(ctx, 1_700_000_004_500, "t")
	check("after a time", l, err, 5)
	l, err = adm.ListMaxTimestampOffsets(ctx, "t")
	check("the largest timestamp", l, err, 9)

	var trim kadm.Offsets
	trim.Add(kadm.Offset{Topic: "t", Partition: 0, At: 4, LeaderEpoch: -1})
	if r, err := adm.DeleteRecords(ctx, trim); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	l, err = adm.ListStartOffsets(ctx, "t")
	check("start after deletion", l, err, 4)
	if got := consume(t, client(t, addr, kgo.ConsumeTopics("t")), 6); got[0].Offset != 4 {
		t.Errorf("reading begins at %d", got[0].Offset)
	}
}

func TestGroupsAreListedResetAndDeleted(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	produce(t, client(t, addr), "t", numbered("v", 5)...)
	ctx, adm := within(t), admin(t, addr)
	cl := client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"))
	consume(t, cl, 5)
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := adm.DeleteGroups(ctx, "g"); err == nil && r.Error() == nil {
		t.Error("a group with members was deleted")
	}
	cl.Close()
	groups, err := adm.ListGroups(ctx)
	if err != nil || groups["g"].State != "Empty" {
		t.Errorf("listed %v, %v", groups, err)
	}
	lags, err := adm.Lag(ctx, "g")
	if err != nil || lags["g"].Lag.Total() != 0 {
		t.Errorf("lag %v, %v", lags["g"].Lag, err)
	}
	var back kadm.Offsets
	back.Add(kadm.Offset{Topic: "t", Partition: 0, At: 2, LeaderEpoch: -1})
	if err := adm.CommitAllOffsets(ctx, "g", back); err != nil {
		t.Error(err)
	}
	if got := consume(t, client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t")), 3); got[0].Offset != 2 {
		t.Errorf("the group goes on at %d", got[0].Offset)
	}
}
