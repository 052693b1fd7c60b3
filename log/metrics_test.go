package log

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/metrics"
)

var updateMetrics = flag.Bool("update-metrics", false, "rewrite testdata/kafka_exporter.txt")

// scrape collects a node's metrics as a strict registry does, which refuses samples
// that do not fit what was described.
func scrape(t testing.TB, n *Node) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(n.Metrics())
	gathered, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range gathered {
		byName[f.GetName()] = f
	}
	return byName
}

// value is that of the sample with these labels, in turn names and values.
func value(t testing.TB, scraped map[string]*dto.MetricFamily, name string, pairs ...string) float64 {
	t.Helper()
	want := metrics.Label(pairs...)
	same := func(a, b *dto.LabelPair) bool { return a.GetName() == b.GetName() && a.GetValue() == b.GetValue() }
	for _, m := range scraped[name].GetMetric() {
		if slices.EqualFunc(m.Label, want, same) {
			switch {
			case m.Counter != nil:
				return m.Counter.GetValue()
			case m.Histogram != nil:
				return float64(m.Histogram.GetSampleCount())
			}
			return m.Gauge.GetValue()
		}
	}
	t.Fatalf("there is no %s%v", name, pairs)
	return 0
}

// busyNode has done a little of everything that metrics tell of.
func busyNode(t *testing.T) (*Node, string) {
	t.Helper()
	n, addr := newNode(t)
	createTopic(t, addr, "orders", 2, nil)
	produce(t, client(t, addr), "orders", "a", "b", "c")
	consumer := client(t, addr, kgo.ConsumerGroup("shop"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	consume(t, consumer, 3)
	if err := consumer.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := admin(t, addr).CreateTopic(within(t), 1, 5, nil, "refused"); err == nil {
		t.Fatal("a topic with five replicas was created")
	}
	// Counters move once an answer has left: wait for that of the last request.
	refused := func() bool {
		return slices.ContainsFunc(n.broker.Stats().Keys, func(k broker.KeyStats) bool { return len(k.Errors) > 0 && k.Key == 19 })
	}
	for ctx := within(t); !refused(); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("the refused topic was not counted")
		}
	}
	return n, addr
}

// TestMetricsAreWellNamed lints every metric, and finds every one that is described.
func TestMetricsAreWellNamed(t *testing.T) {
	n, _ := busyNode(t)
	scraped := scrape(t, n)
	var all []*dto.MetricFamily
	for _, f := range scraped {
		all = append(all, f)
	}
	problems, err := promlint.NewWithMetricFamilies(all).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "kafka_") && strings.HasSuffix(p.Metric, "_sum") {
			continue // the name is kafka_exporter's
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families {
		if scraped[f.Name] == nil && f.Name != "millrace_disk_size_bytes" { // which a file system in memory does not know
			t.Errorf("%s is described and never there", f.Name)
		}
	}
}

// TestKafkaExporterNames fixes names and labels of those metrics that dashboards made
// for kafka_exporter ask for.
func TestKafkaExporterNames(t *testing.T) {
	n, _ := busyNode(t)
	scraped := scrape(t, n)
	var lines []string
	for name, f := range scraped {
		if !strings.HasPrefix(name, "kafka_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		lines = append(lines, fmt.Sprintf("%s{%s} %s\n", name, strings.Join(labels, ","), strings.ToLower(f.GetType().String())))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "")
	const golden = "testdata/kafka_exporter.txt"
	if *updateMetrics {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("%s differs (%v); -update-metrics rewrites it:\n%s", golden, err, got)
	}
}

// TestRequestsAreCounted compares counters with what clients did.
func TestRequestsAreCounted(t *testing.T) {
	n, _ := busyNode(t)
	scraped := scrape(t, n)
	for _, want := range []struct {
		name  string
		pairs []string
		value float64
	}{
		{"millrace_topic_produced_records_total", []string{"topic", "orders"}, 3},
		{"millrace_topic_fetched_records_total", []string{"topic", "orders"}, 3},
		{"millrace_request_errors_total", []string{"api", "CreateTopics", "error", "INVALID_REPLICATION_FACTOR"}, 1},
		{"millrace_request_duration_seconds", []string{"api", "CreateTopics"}, 2},
		{"kafka_topic_partitions", []string{"topic", "orders"}, 2},
		{"kafka_brokers", nil, 1},
		{"kafka_topic_partition_leader", []string{"topic", "orders", "partition", "1"}, 1},
		{"kafka_topic_partition_leader_is_preferred", []string{"topic", "orders", "partition", "1"}, 1},
		{"kafka_topic_partition_under_replicated_partition", []string{"topic", "orders", "partition", "1"}, 0},
		{"millrace_partitions_offline", nil, 0},
		{"millrace_ready", nil, 1},
		{"millrace_consumergroups", []string{"state", "Stable"}, 1},
		{"kafka_consumergroup_members", []string{"consumergroup", "shop"}, 1},
	} {
		if got := value(t, scraped, want.name, want.pairs...); got != want.value {
			t.Errorf("%s%v is %v, want %v", want.name, want.pairs, got, want.value)
		}
	}
	appended, stored := value(t, scraped, "millrace_storage_appended_bytes_total"), value(t, scraped, "millrace_storage_bytes")
	syncs := value(t, scraped, "millrace_storage_sync_duration_seconds", "way", "segments") + value(t, scraped, "millrace_storage_sync_duration_seconds", "way", "journal")
	if appended == 0 || stored < appended || syncs == 0 || value(t, scraped, "millrace_storage_segments") < 2 {
		t.Errorf("appended %v, stored %v, %v rounds", appended, stored, syncs)
	}
	in, out := value(t, scraped, "millrace_request_bytes_total", "api", "Produce"), value(t, scraped, "millrace_response_bytes_total", "api", "Fetch")
	if stored := value(t, scraped, "millrace_topic_produced_bytes_total", "topic", "orders"); in <= stored || out <= stored {
		t.Errorf("of %v bytes of batches, Produce requests had %v and Fetch responses %v", stored, in, out)
	}
	if open := value(t, scraped, "millrace_connections", "listener", "PLAINTEXT"); open < 1 {
		t.Errorf("%v connections are open", open)
	}
}

// TestLag follows the lag of a group while records come, plainly and in a
// transaction, and while it commits.
func TestLag(t *testing.T) {
	n, addr := newNode(t)
	createTopic(t, addr, "orders", 2, nil)
	plain := client(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	send := func(cl *kgo.Client, partition int32, count int) {
		t.Helper()
		for range count {
			if err := cl.ProduceSync(within(t), &kgo.Record{Topic: "orders", Partition: partition, Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit := func(offset int64) {
		t.Helper()
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "shop", -1
		rt := kmsg.NewOffsetCommitRequestTopic()
		topics, err := admin(t, addr).ListTopics(within(t), "orders")
		if err != nil {
			t.Fatal(err)
		}
		rt.Topic, rt.TopicID = "orders", topics["orders"].ID
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = 0, offset
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(within(t), n.Session(SessionOptions{}))
		if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("commit: %+v, %v", resp, err)
		}
	}
	want := func(step string, lag, stable, sum float64) {
		t.Helper()
		scraped := scrape(t, n)
		at := []string{"consumergroup", "shop", "topic", "orders", "partition", "0"}
		if got := value(t, scraped, "kafka_consumergroup_lag", at...); got != lag {
			t.Errorf("%s: lag %v, want %v", step, got, lag)
		}
		if got := value(t, scraped, "millrace_consumergroup_stable_lag", at...); got != stable {
			t.Errorf("%s: stable lag %v, want %v", step, got, stable)
		}
		if got := value(t, scraped, "kafka_consumergroup_lag_sum", at[:4]...); got != sum {
			t.Errorf("%s: sum %v, want %v", step, got, sum)
		}
		at[5] = "1"
		if got := value(t, scraped, "kafka_consumergroup_lag", at...); got != -1 {
			t.Errorf("%s: lag of a partition without a commit %v, want -1", step, got)
		}
	}
	send(plain, 0, 5)
	send(plain, 1, 2)
	commit(2)
	want("five records, two read", 3, 3, 3)
	txn := client(t, addr, kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	send(txn, 0, 4)
	want("four more in an open transaction", 7, 3, 7)
	commit(5)
	want("read up to the transaction", 4, 0, 4)
	if err := txn.EndTransaction(within(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	want("it is committed, its marker counts", 5, 5, 5)
	commit(10)
	want("all is read", 0, 0, 0)
	commit(1 << 40)
	want("committed beyond the end", 0, 0, 0)
}

// BenchmarkScrape scrapes a node of a thousand partitions and a hundred groups that
// have committed offsets of ten each, as text.
func BenchmarkScrape(b *testing.B) {
	n := openNode(b, vfs.NewMem())
	s := n.Session(SessionOptions{})
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 60_000
	for i := range 10 {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("topic-%d", i), 100, -1
		create.Topics = append(create.Topics, t)
	}
	if _, err := create.RequestWith(within(b), s); err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = fmt.Sprintf("group-%d", i), -1
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = fmt.Sprintf("topic-%d", i%10)
		t.TopicID = n.meta.Image().TopicByName(t.Topic).ID
		for p := range int32(10) {
			rp := kmsg.NewOffsetCommitRequestTopicPartition()
			rp.Partition = p
			t.Partitions = append(t.Partitions, rp)
		}
		req.Topics = append(req.Topics, t)
		if _, err := req.RequestWith(within(b), s); err != nil {
			b.Fatal(err)
		}
	}
	r := prometheus.NewRegistry()
	r.MustRegister(n.Metrics())
	b.ReportAllocs()
	for b.Loop() {
		gathered, err := r.Gather()
		if err != nil {
			b.Fatal(err)
		}
		enc := expfmt.NewEncoder(io.Discard, expfmt.NewFormat(expfmt.TypeTextPlain))
		samples := 0
		for _, f := range gathered {
			samples += len(f.Metric)
			if err := enc.Encode(f); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(samples), "samples")
	}
}

// TestFailedAuthenticationIsCounted logs in as nobody. The counter moves once the
// refusal has left, so a scrape may come before it.
func TestFailedAuthenticationIsCounted(t *testing.T) {
	n, _ := newNode(t)
	l, err := n.ListenOn(ListenerOptions{Address: "127.0.0.1:0", SASL: &SASLOptions{Mechanisms: []string{"SCRAM-SHA-256"}}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	stranger := client(t, l.Addr(), kgo.SASL(scram.Auth{User: "nobody", Pass: "x"}.AsSha256Mechanism()))
	if err := stranger.Ping(within(t)); err == nil {
		t.Fatal("nobody was let in")
	}
	for ctx := within(t); value(t, scrape(t, n), "millrace_authentication_failures_total") < 1; {
		if ctx.Err() != nil {
			t.Fatal("a failed authentication was not counted")
		}
		runtime.Gosched()
	}
}
