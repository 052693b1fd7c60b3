package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// saramaScenario is a scenario of Sarama at an endpoint.
type saramaScenario struct {
	at      endpoint
	version sarama.KafkaVersion
	adm     sarama.ClusterAdmin
	topic   string
}

// Sarama speaks as the Kafka version that its user names, so it runs as an old one and as
// the newest that it knows.
func TestSaramaScenario(t *testing.T) {
	overEach(t, func(t *testing.T, at endpoint) {
		for name, version := range map[string]sarama.KafkaVersion{"2.1": sarama.V2_1_0_0, "newest": sarama.MaxVersion} {
			s := &saramaScenario{at: at, version: version, topic: "sarama-" + name}
			var err error
			if s.adm, err = sarama.NewClusterAdmin([]string{at.broker}, s.config(t)); err != nil {
				t.Fatal(err)
			}
			defer s.adm.Close()
			for _, step := range []struct {
				name string
				run  func(*testing.T)
			}{
				{"topics", s.topics}, {"produce and consume", s.produceAndConsume}, {"group", s.group},
				{"transactions", s.transactions}, {"users and quotas", s.usersAndQuotas}, {"clean up", s.cleanUp},
			} {
				t.Run(name+"/"+step.name, step.run)
			}
		}
	})
}

func (s *saramaScenario) config(t *testing.T) *sarama.Config {
	t.Helper()
	c := sarama.NewConfig()
	c.Version = s.version
	c.Producer.Return.Successes = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	if s.at.mechanism == "" {
		return c
	}
	c.Net.TLS.Enable, c.Net.TLS.Config = true, &tls.Config{RootCAs: s.at.roots(t)}
	c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, user, password
	c.Net.SASL.Mechanism = sarama.SASLMechanism(s.at.mechanism)
	c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &saramaLogin{} }
	return c
}

// saramaLogin is the SCRAM conversation, which Sarama leaves to its user.
type saramaLogin struct{ *scram.ClientConversation }

func (l *saramaLogin) Begin(user, password, authorization string) error {
	client, err := scram.SHA512.NewClient(user, password, authorization)
	if err != nil {
		return err
	}
	l.ClientConversation = client.NewConversation()
	return nil
}

func (s *saramaScenario) topics(t *testing.T) {
	retention := "3600000"
	detail := &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	if err := s.adm.CreateTopic(s.topic, detail, false); err != nil {
		t.Fatal(err)
	}
	if err := s.adm.CreateTopic(s.topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		t.Errorf("created again: %v", err)
	}
	if err := s.adm.CreatePartitions(s.topic, 4, nil, false); err != nil {
		t.Errorf("one more partition: %v", err)
	}
	if listed, err := s.adm.ListTopics(); err != nil || listed[s.topic].NumPartitions != 4 {
		t.Errorf("listed %+v, %v", listed[s.topic], err)
	}
	entries, err := s.adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: s.topic, ConfigNames: []string{"retention.ms"}})
	if err != nil || len(entries) != 1 || entries[0].Value != retention || entries[0].Source != sarama.SourceTopic {
		t.Errorf("configs %+v, %v", entries, err)
	}
	if brokers, controller, err := s.adm.DescribeCluster(); err != nil || len(brokers) != 1 || controller != brokers[0].ID() {
		t.Errorf("cluster %v, controller %d, %v", brokers, controller, err)
	}
	if dirs, err := s.adm.DescribeLogDirs([]int32{1}); err != nil || len(dirs[1]) != 1 || len(dirs[1][0].Topics) == 0 {
		t.Errorf("log dirs %+v, %v", dirs, err)
	}
}

func (s *saramaScenario) produceAndConsume(t *testing.T) {
	var want []string
	for _, codec := range []sarama.CompressionCodec{
		sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD,
	} {
		c := s.config(t)
		c.Producer.Compression = codec
		c.Producer.Idempotent, c.Net.MaxOpenRequests, c.Producer.RequiredAcks = true, 1, sarama.WaitForAll
		p, err := sarama.NewSyncProducer([]string{s.at.broker}, c)
		if err != nil {
			t.Fatal(err)
		}
		var messages []*sarama.ProducerMessage
		for i := range 100 {
			v := fmt.Sprintf("%s-%02d", codec, i)
			want = append(want, v)
			messages = append(messages, &sarama.ProducerMessage{
				Topic: s.topic, Key: sarama.StringEncoder(v), Value: sarama.StringEncoder(v),
				Headers: []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec.String())}},
			})
		}
		if err := errors.Join(p.SendMessages(messages), p.Close()); err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
	}
	slices.Sort(want)
	if got := s.read(t, s.config(t), "sarama-reader", len(want)); !slices.Equal(got, want) {
		t.Errorf("read %d values, not those %d that were written", len(got), len(want))
	}
}

// collecting is a member of a group that keeps the values it reads.
type collecting struct{ values chan string }

func (collecting) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (collecting) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c collecting) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		session.MarkMessage(m, "")
		c.values <- string(m.Value)
	}
	return nil
}

// read reads the topic in a group until n values have come, and commits.
func (s *saramaScenario) read(t *testing.T, c *sarama.Config, group string, n int) (got []string) {
	t.Helper()
	g, err := sarama.NewConsumerGroup([]string{s.at.broker}, group+s.topic, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	values, ended := make(chan string, 10_000), make(chan error, 1)
	go func() { ended <- g.Consume(ctx, []string{s.topic}, collecting{values}) }()
	for len(got) < n {
		select {
		case v := <-values:
			got = append(got, v)
		case err := <-ended:
			t.Fatalf("the group ended after %d of %d values: %v", len(got), n, err)
		case <-ctx.Done():
			t.Fatalf("%d of %d values", len(got), n)
		}
	}
	cancel()
	if err := errors.Join(<-ended, g.Close()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func (s *saramaScenario) group(t *testing.T) {
	id := "sarama-reader" + s.topic
	if listed, err := s.adm.ListConsumerGroups(); err != nil || listed[id] != "consumer" {
		t.Errorf("listed %v, %v", listed, err)
	}
	if d, err := s.adm.DescribeConsumerGroups([]string{id}); err != nil || d[0].State != "Empty" {
		t.Errorf("described %+v, %v", d, err)
	}
	offsets, err := s.adm.ListConsumerGroupOffsets(id, map[string][]int32{s.topic: {0, 1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for p := range int32(4) {
		sum += max(0, offsets.GetBlock(s.topic, p).Offset)
	}
	if sum != 500 {
		t.Errorf("%d records are committed, not 500", sum)
	}
	if err := s.adm.DeleteConsumerGroupOffset(id, s.topic, 0); err != nil && s.version.IsAtLeast(sarama.V2_4_0_0) {
		t.Errorf("delete an offset: %v", err)
	}
	if err := s.adm.DeleteConsumerGroup(id); err != nil {
		t.Errorf("delete the group: %v", err)
	}
}

func (s *saramaScenario) transactions(t *testing.T) {
	c := s.config(t)
	c.Producer.Idempotent, c.Net.MaxOpenRequests, c.Producer.RequiredAcks = true, 1, sarama.WaitForAll
	c.Producer.Transaction.ID = s.topic
	p, err := sarama.NewSyncProducer([]string{s.at.broker}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, value := range []string{"aborted", "committed"} {
		if err := p.BeginTxn(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: s.topic, Value: sarama.StringEncoder(value)}); err != nil {
			t.Fatal(err)
		}
		if value == "aborted" {
			err = p.AbortTxn()
		} else {
			offsets := map[string][]*sarama.PartitionOffsetMetadata{s.topic: {{Partition: 0, Offset: 5}}}
			err = errors.Join(p.AddOffsetsToTxn(offsets, "of-"+s.topic), p.CommitTxn())
		}
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
	}
	reader := s.config(t)
	reader.Consumer.IsolationLevel = sarama.ReadCommitted
	if got := s.read(t, reader, "sarama-tx", 501); !slices.Contains(got, "committed") || slices.Contains(got, "aborted") {
		t.Errorf("of the transactions %v was read", got[:2])
	}
	offsets, err := s.adm.ListConsumerGroupOffsets("of-"+s.topic, map[string][]int32{s.topic: {0}})
	if err != nil || offsets.GetBlock(s.topic, 0).Offset != 5 {
		t.Errorf("the transaction's offsets are %+v, %v", offsets, err)
	}
}

func (s *saramaScenario) usersAndQuotas(t *testing.T) {
	if !s.version.IsAtLeast(sarama.V2_7_0_0) {
		return // that Kafka has no requests for users
	}
	up := sarama.AlterUserScramCredentialsUpsert{
		Name: "bob", Mechanism: sarama.SCRAM_MECHANISM_SHA_512, Iterations: 4096, Salt: []byte("salt of bob"), Password: []byte("of bob"),
	}
	if r, err := s.adm.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{up}); err != nil || r[0].ErrorCode != sarama.ErrNoError {
		t.Errorf("a user: %+v, %v", r, err)
	}
	if d, err := s.adm.DescribeUserScramCredentials([]string{"bob"}); err != nil || len(d[0].CredentialInfos) != 1 {
		t.Errorf("described %+v, %v", d, err)
	}
	bob := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Name: "bob"}}
	if err := s.adm.AlterClientQuotas(bob, sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1e6}, false); err != nil {
		t.Errorf("a quota: %v", err)
	}
	filter := []sarama.QuotaFilterComponent{{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Match: "bob"}}
	if q, err := s.adm.DescribeClientQuotas(filter, true); err != nil || len(q) != 1 || q[0].Values["producer_byte_rate"] != 1e6 {
		t.Errorf("quotas %+v, %v", q, err)
	}
	down := sarama.AlterUserScramCredentialsDelete{Name: "bob", Mechanism: sarama.SCRAM_MECHANISM_SHA_512}
	if r, err := s.adm.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{down}); err != nil || r[0].ErrorCode != sarama.ErrNoError {
		t.Errorf("no user any more: %+v, %v", r, err)
	}
}

func (s *saramaScenario) cleanUp(t *testing.T) {
	if err := s.adm.DeleteRecords(s.topic, map[int32]int64{0: 1, 1: 1}); err != nil {
		t.Errorf("delete records: %v", err)
	}
	if err := s.adm.DeleteTopic(s.topic); err != nil {
		t.Fatal(err)
	}
	if listed, err := s.adm.ListTopics(); err != nil || listed[s.topic].NumPartitions != 0 {
		t.Errorf("listed %+v, %v", listed[s.topic], err)
	}
}
