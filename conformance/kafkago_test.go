package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	kafkascram "github.com/segmentio/kafka-go/sasl/scram"
)

// kafkaGo is a scenario of kafka-go at an endpoint.
type kafkaGo struct {
	at     endpoint
	login  sasl.Mechanism // nil where everybody may come in
	client *kafka.Client
	topic  string
}

// kafka-go speaks the oldest versions of all clients that are in wide use (FindCoordinator
// 0, JoinGroup 1, Metadata 1), and connects to a partition's leader by itself.
func TestKafkaGoScenario(t *testing.T) {
	overEach(t, func(t *testing.T, at endpoint) {
		s := &kafkaGo{at: at, topic: "kafka-go"}
		transport := &kafka.Transport{ClientID: "kafka-go", MetadataTTL: 100 * time.Millisecond}
		if at.mechanism != "" {
			var err error
			if s.login, err = kafkascram.Mechanism(kafkascram.SHA512, user, password); err != nil {
				t.Fatal(err)
			}
			transport.TLS, transport.SASL = &tls.Config{RootCAs: at.roots(t)}, s.login
		}
		defer transport.CloseIdleConnections()
		s.client = &kafka.Client{Addr: kafka.TCP(at.broker), Timeout: time.Minute, Transport: transport}
		for _, step := range []struct {
			name string
			run  func(*testing.T, context.Context)
		}{
			{"topics", s.topics}, {"produce and consume", s.produceAndConsume}, {"group", s.group}, {"transactions", s.transactions},
			{"one connection", s.oneConnection}, {"clean up", s.cleanUp},
		} {
			t.Run(step.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				step.run(t, ctx)
			})
		}
	})
}

func (s *kafkaGo) dialer(t *testing.T) *kafka.Dialer {
	d := &kafka.Dialer{Timeout: time.Minute, DualStack: true}
	if s.login != nil {
		d.TLS, d.SASLMechanism = &tls.Config{RootCAs: s.at.roots(t)}, s.login
	}
	return d
}

func (s *kafkaGo) topics(t *testing.T, ctx context.Context) {
	create := &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: s.topic, NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "3600000"}},
	}}}
	if r, err := s.client.CreateTopics(ctx, create); err != nil || r.Errors[s.topic] != nil {
		t.Fatal(err, r)
	}
	if r, err := s.client.CreateTopics(ctx, create); err != nil || !errors.Is(r.Errors[s.topic], kafka.TopicAlreadyExists) {
		t.Errorf("created again: %+v, %v", r, err)
	}
	more := &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: s.topic, Count: 4}}}
	if r, err := s.client.CreatePartitions(ctx, more); err != nil || r.Errors[s.topic] != nil {
		t.Errorf("one more partition: %+v, %v", r, err)
	}
	s.awaitPartitions(t, ctx, 4)
	configs, err := s.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: s.topic, ConfigNames: []string{"retention.ms"}}},
	})
	if err != nil || len(configs.Resources[0].ConfigEntries) != 1 || configs.Resources[0].ConfigEntries[0].ConfigValue != "3600000" {
		t.Errorf("configs %+v, %v", configs, err)
	}
}

func (s *kafkaGo) produceAndConsume(t *testing.T, ctx context.Context) {
	var want []string
	for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		w := &kafka.Writer{
			Addr: s.client.Addr, Topic: s.topic, Transport: s.client.Transport, Compression: codec,
			Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
		}
		var messages []kafka.Message
		for i := range 100 {
			v := fmt.Sprintf("%s-%02d", codec, i)
			want = append(want, v)
			messages = append(messages, kafka.Message{Key: []byte(v), Value: []byte(v), Headers: []kafka.Header{{Key: "codec", Value: []byte(codec.String())}}})
		}
		if err := errors.Join(w.WriteMessages(ctx, messages...), w.Close()); err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
	}
	slices.Sort(want)
	if got := s.read(t, ctx, "kafka-go-reader", len(want)); !slices.Equal(got, want) {
		t.Errorf("read %d values, not those %d that were written", len(got), len(want))
	}
}

// read reads the topic in a group until n values have come, and commits.
func (s *kafkaGo) read(t *testing.T, ctx context.Context, group string, n int) (got []string) {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{s.at.broker}, Dialer: s.dialer(t), GroupID: group, Topic: s.topic,
		StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond, IsolationLevel: kafka.ReadCommitted,
	})
	for len(got) < n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("after %d of %d values: %v", len(got), n, err)
		}
		got = append(got, string(m.Value))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func (s *kafkaGo) group(t *testing.T, ctx context.Context) {
	if l, err := s.client.ListGroups(ctx, &kafka.ListGroupsRequest{}); err != nil || l.Error != nil ||
		!slices.ContainsFunc(l.Groups, func(g kafka.ListGroupsResponseGroup) bool { return g.GroupID == "kafka-go-reader" }) {
		t.Errorf("listed %+v, %v", l, err)
	}
	if d, err := s.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{"kafka-go-reader"}}); err != nil || d.Groups[0].GroupState != "Empty" {
		t.Errorf("described %+v, %v", d, err)
	}
	offsets, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "kafka-go-reader", Topics: map[string][]int{s.topic: {0, 1, 2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, p := range offsets.Topics[s.topic] {
		sum += max(0, p.CommittedOffset)
	}
	if sum != 500 {
		t.Errorf("%d records are committed, not 500", sum)
	}
	if r, err := s.client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{"kafka-go-reader"}}); err != nil || r.Errors["kafka-go-reader"] != nil {
		t.Errorf("deleted %+v, %v", r, err)
	}
}

// transactions: kafka-go has the requests around a transaction, but no batches that belong
// to one; so what is committed and aborted are offsets.
func (s *kafkaGo) transactions(t *testing.T, ctx context.Context) {
	const id, group = "kafka-go-tx", "kafka-go-of-tx"
	for _, tx := range []struct {
		offset int64
		commit bool
		want   int64
	}{{offset: 3, commit: false, want: -1}, {offset: 5, commit: true, want: 5}} {
		p, err := s.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: id, TransactionTimeoutMs: 60_000})
		if err != nil || p.Error != nil {
			t.Fatalf("%+v, %v", p, err)
		}
		added, err := s.client.AddOffsetsToTxn(ctx, &kafka.AddOffsetsToTxnRequest{
			TransactionalID: id, ProducerID: p.Producer.ProducerID, ProducerEpoch: p.Producer.ProducerEpoch, GroupID: group,
		})
		if err != nil || added.Error != nil {
			t.Fatalf("%+v, %v", added, err)
		}
		offsets, err := s.client.TxnOffsetCommit(ctx, &kafka.TxnOffsetCommitRequest{
			TransactionalID: id, GroupID: group, ProducerID: p.Producer.ProducerID, ProducerEpoch: p.Producer.ProducerEpoch,
			GenerationID: -1, Topics: map[string][]kafka.TxnOffsetCommit{s.topic: {{Partition: 0, Offset: tx.offset}}},
		})
		if err != nil || offsets.Topics[s.topic][0].Error != nil {
			t.Fatalf("%+v, %v", offsets, err)
		}
		end, err := s.client.EndTxn(ctx, &kafka.EndTxnRequest{TransactionalID: id, ProducerID: p.Producer.ProducerID, ProducerEpoch: p.Producer.ProducerEpoch, Committed: tx.commit})
		if err != nil || end.Error != nil {
			t.Fatalf("%+v, %v", end, err)
		}
		for got := int64(-2); got != tx.want; { // markers are written after the answer
			r, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{s.topic: {0}}})
			if err != nil || r.Error != nil {
				t.Fatalf("waiting for offset %d, not %d: %+v, %v", tx.want, got, r, err)
			}
			got = r.Topics[s.topic][0].CommittedOffset
		}
	}
}

// oneConnection is the older half of its interface: a connection to a partition's leader.
func (s *kafkaGo) oneConnection(t *testing.T, ctx context.Context) {
	conn, err := s.dialer(t).DialLeader(ctx, "tcp", s.at.broker, s.topic, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	if err != nil || first != 0 {
		t.Fatalf("offsets %d to %d, %v", first, last, err)
	}
	if _, err := conn.WriteMessages(kafka.Message{Value: []byte("one")}, kafka.Message{Value: []byte("two")}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Seek(last+1, kafka.SeekAbsolute); err != nil {
		t.Fatal(err)
	}
	m, err := conn.ReadMessage(1 << 20)
	if err != nil || string(m.Value) != "two" || m.Offset != last+1 {
		t.Errorf("read %q at %d, %v", m.Value, m.Offset, err)
	}
	controller, err := conn.Controller()
	if err != nil || net.JoinHostPort(controller.Host, fmt.Sprint(controller.Port)) != s.at.broker {
		t.Errorf("the controller is %+v, %v", controller, err)
	}
}

func (s *kafkaGo) cleanUp(t *testing.T, ctx context.Context) {
	if r, err := s.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{s.topic}}); err != nil || r.Errors[s.topic] != nil {
		t.Fatal(err, r)
	}
	s.awaitPartitions(t, ctx, 0)
}

// awaitPartitions asks until the topic has n partitions: the client answers from what it
// has kept, for a while.
func (s *kafkaGo) awaitPartitions(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	for {
		m, err := s.client.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(m.Topics, func(t kafka.Topic) bool { return t.Name == s.topic })
		if i < 0 && n == 0 || i >= 0 && len(m.Topics[i].Partitions) == n {
			return
		}
	}
}
