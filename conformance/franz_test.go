package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// franz is a scenario of franz-go at an endpoint.
type franz struct {
	at    endpoint
	adm   *kadm.Client
	topic string
}

// franz-go does what applications do with it. Its own suite (kgo_test.go) runs without
// encryption; this is over both, and has the admin client too.
func TestFranzGoScenario(t *testing.T) {
	overEach(t, func(t *testing.T, at endpoint) {
		s := &franz{at: at, topic: "franz-scenario"}
		s.adm = kadm.NewClient(s.client(t))
		for _, step := range []struct {
			name string
			run  func(*testing.T, context.Context)
		}{
			{"topics", s.topics}, {"produce and consume", s.produceAndConsume}, {"group", s.group}, {"transactions", s.transactions},
			{"users", s.users}, {"acls", s.acls}, {"clean up", s.cleanUp},
		} {
			t.Run(step.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				step.run(t, ctx)
			})
		}
	})
}

// security are the options that let a user in at the endpoint.
func (e endpoint) security(t *testing.T, user, password string) []kgo.Opt {
	t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(e.broker)}
	if e.mechanism == "" {
		return opts
	}
	return append(opts, kgo.DialTLSConfig(&tls.Config{RootCAs: e.roots(t)}), kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
}

func (s *franz) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return s.clientOf(t, user, password, opts...)
}

func (s *franz) clientOf(t *testing.T, user, password string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(s.at.security(t, user, password), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func (s *franz) topics(t *testing.T, ctx context.Context) {
	retention := "3600000"
	if _, err := s.adm.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": &retention}, s.topic); err != nil {
		t.Fatal(err)
	}
	if _, err := s.adm.CreateTopic(ctx, 3, 1, nil, s.topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("created again: %v", err)
	}
	if r, err := s.adm.CreatePartitions(ctx, 1, s.topic); err != nil || r.Error() != nil {
		t.Errorf("one more partition: %v %v", err, r.Error())
	}
	if topics, err := s.adm.ListTopics(ctx, s.topic); err != nil || len(topics[s.topic].Partitions) != 4 {
		t.Errorf("listed %v, %v", topics, err)
	}
	configs, err := s.adm.DescribeTopicConfigs(ctx, s.topic)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == "retention.ms" })
	if i < 0 || configs[0].Configs[i].MaybeValue() != retention {
		t.Errorf("retention.ms is not %s: %+v", retention, configs[0])
	}
}

// values reads until n records have come.
func values(t *testing.T, ctx context.Context, cl *kgo.Client, n int) (got []string) {
	t.Helper()
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	slices.Sort(got)
	return got
}

func (s *franz) produceAndConsume(t *testing.T, ctx context.Context) {
	var want []string
	for codec, c := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		var records []*kgo.Record
		for i := range 100 {
			v := fmt.Sprintf("%s-%02d", codec, i)
			want = append(want, v)
			records = append(records, &kgo.Record{Topic: s.topic, Key: []byte(v), Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(codec)}}})
		}
		if err := s.client(t, kgo.ProducerBatchCompression(c)).ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
	}
	slices.Sort(want)
	if got := values(t, ctx, s.client(t, kgo.ConsumeTopics(s.topic)), len(want)); !slices.Equal(got, want) {
		t.Errorf("read %d values, not those %d that were written", len(got), len(want))
	}
}

func (s *franz) group(t *testing.T, ctx context.Context) {
	cl := s.client(t, kgo.ConsumerGroup("franz"), kgo.ConsumeTopics(s.topic), kgo.DisableAutoCommit())
	values(t, ctx, cl, 500)
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	if g, err := s.adm.DescribeGroups(ctx, "franz"); err != nil || g["franz"].State != "Stable" || len(g["franz"].Members) != 1 {
		t.Errorf("described %+v, %v", g, err)
	}
	if err := cl.LeaveGroupContext(ctx); err != nil {
		t.Fatal(err)
	}
	lags, err := s.adm.Lag(ctx, "franz")
	if err != nil || lags.Error() != nil || lags["franz"].Lag.Total() != 0 || lags["franz"].State != "Empty" {
		t.Errorf("lag %+v, %v", lags, err)
	}
	if offsets, err := s.adm.FetchOffsets(ctx, "franz"); err != nil || len(offsets[s.topic]) != 4 {
		t.Errorf("offsets %+v, %v", offsets, err)
	}
}

func (s *franz) transactions(t *testing.T, ctx context.Context) {
	cl := s.client(t, kgo.TransactionalID("franz"), kgo.DefaultProduceTopic(s.topic))
	for value, end := range map[string]kgo.TransactionEndTry{"aborted": kgo.TryAbort, "committed": kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(ctx, end); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
	}
	reader := s.client(t, kgo.ConsumeTopics(s.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if got := values(t, ctx, reader, 501); !slices.Contains(got, "committed") || slices.Contains(got, "aborted") {
		t.Errorf("of the transactions %v was read", got[:2])
	}
	for { // markers are written after the answer
		d, err := s.adm.DescribeTransactions(ctx, "franz")
		if err != nil || d["franz"].Err != nil {
			t.Fatalf("described %+v, %v", d, err)
		}
		if strings.HasPrefix(d["franz"].State, "Complete") {
			return
		}
	}
}

// users: where there are passwords, only a user whose password is right comes in.
func (s *franz) users(t *testing.T, ctx context.Context) {
	upsert := kadm.UpsertSCRAM{User: "alice", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "of alice"}
	if r, err := s.adm.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{upsert}); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	if d, err := s.adm.DescribeUserSCRAMs(ctx, "alice"); err != nil || len(d["alice"].CredInfos) != 1 || d["alice"].CredInfos[0].Iterations != 4096 {
		t.Errorf("described %+v, %v", d, err)
	}
	if s.at.mechanism == "" {
		return
	}
	if err := s.clientOf(t, "alice", "of alice").Ping(ctx); err != nil {
		t.Errorf("the right password: %v", err)
	}
	if err := s.clientOf(t, "alice", "of bob").Ping(ctx); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("the wrong password: %v", err)
	}
}

// acls: where authorization is on, alice reads when she may, and writes never.
func (s *franz) acls(t *testing.T, ctx context.Context) {
	acl := kadm.NewACLs().Topics(s.topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).Allow("User:alice").AllowHosts("*")
	read := func() error {
		l, err := kadm.NewClient(s.clientOf(t, "alice", "of alice")).ListEndOffsets(ctx, s.topic)
		return errors.Join(err, l.Error())
	}
	created, err := s.adm.CreateACLs(ctx, acl)
	if s.at.mechanism == "" {
		if err != nil || !errors.Is(created[0].Err, kerr.SecurityDisabled) {
			t.Errorf("without authorization: %+v, %v", created, err)
		}
		return
	}
	if err != nil || len(created) != 1 || created[0].Err != nil {
		t.Fatalf("created %+v, %v", created, err)
	}
	if d, err := s.adm.DescribeACLs(ctx, acl); err != nil || len(d) != 1 || len(d[0].Described) != 1 {
		t.Errorf("described %+v, %v", d, err)
	}
	if err := read(); err != nil {
		t.Errorf("alice reads with an ACL: %v", err)
	}
	writer := s.clientOf(t, "alice", "of alice", kgo.DefaultProduceTopic(s.topic), kgo.DisableIdempotentWrite())
	if err := writer.ProduceSync(ctx, kgo.StringRecord("hers")).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("alice writes: %v", err)
	}
	if d, err := s.adm.DeleteACLs(ctx, acl); err != nil || len(d) != 1 || len(d[0].Deleted) != 1 {
		t.Errorf("deleted %+v, %v", d, err)
	}
	if err := read(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("alice reads without an ACL: %v", err)
	}
}

func (s *franz) cleanUp(t *testing.T, ctx context.Context) {
	if r, err := s.adm.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: "alice", Mechanism: kadm.ScramSha512}}, nil); err != nil || r.Error() != nil {
		t.Error(err, r.Error())
	}
	if r, err := s.adm.DeleteGroups(ctx, "franz"); err != nil || r.Error() != nil {
		t.Error(err, r.Error())
	}
	if _, err := s.adm.DeleteTopic(ctx, s.topic); err != nil {
		t.Error(err)
	}
	if topics, err := s.adm.ListTopics(ctx); err != nil || topics.Has(s.topic) {
		t.Errorf("listed %v, %v", topics.Names(), err)
	}
}
