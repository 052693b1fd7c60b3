package meta

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func testID(n byte) ID { return ID{n, 1, 2, 3, 4, 5, 0x40, n, 0x80} }

func openTest(t *testing.T, fs vfs.FS) *Meta {
	t.Helper()
	m, err := Open(context.Background(), testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func testOptions(fs vfs.FS) Options {
	return Options{FS: fs, Dir: "data/metadata", ClusterID: testID(1), Directory: testID(2), Logger: quiet,
		Source: rand.New(rand.NewPCG(1, 2))}
}

// testBroker is a registration of node 1 in its life number life.
func testBroker(life byte) Broker {
	return Broker{NodeID: 1, Directory: testID(2), Incarnation: testID(100 + life), PreviousEpoch: -1,
		Features: SupportedFeatures(), SyncPolicy: "always"}
}

func register(t *testing.T, m *Meta, life byte) *Broker {
	t.Helper()
	b, err := m.RegisterBroker(context.Background(), testBroker(life))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func createTopic(t *testing.T, m *Meta, name string, partitions int32) *Topic {
	t.Helper()
	rs, err := m.CreateTopics(context.Background(), CreateTopics{Topics: []NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	if rs[0].Err != nil {
		t.Fatal(rs[0].Err)
	}
	return rs[0].Topic
}

func TestFirstStart(t *testing.T) {
	fs := vfs.NewMem()
	m := openTest(t, fs)
	if !m.Fresh() || m.Image().ClusterID() != testID(1) || m.Image().Feature(FeatureVersion) != 1 {
		t.Fatalf("fresh %v, cluster %s, level %d", m.Fresh(), m.Image().ClusterID(), m.Image().Feature(FeatureVersion))
	}
	b := register(t, m, 1)
	if b.Epoch == 0 || b.Epoch != int64(m.Image().Index()) {
		t.Errorf("broker epoch %d at index %d", b.Epoch, m.Image().Index())
	}
	for _, name := range []string{OffsetsTopic, TransactionsTopic} {
		topic := m.Image().TopicByName(name)
		if topic == nil || len(topic.Partitions) != 16 || !topic.Internal || !topic.Cleans("compact") || topic.Cleans("delete") {
			t.Fatalf("topic %s: %+v", name, topic)
		}
		if p := topic.Partitions[7]; p.Leader != 1 || p.LeaderEpoch != 0 || len(p.ISR) != 1 || p.Replicas[0].Directory != testID(2) {
			t.Errorf("partition %+v", p)
		}
	}
}

func TestRestartKeepsMetadataAndRaisesEpochs(t *testing.T) {
	fs := vfs.NewMem()
	ctx := context.Background()
	m := openTest(t, fs)
	first := register(t, m, 1)
	topic := createTopic(t, m, "clicks", 3)
	ids, err := m.AllocateProducerIDs(ctx, AllocateProducerIDs{NodeID: 1, BrokerEpoch: first.Epoch})
	if err != nil || ids != (ProducerIDs{First: 0, Count: 1000}) {
		t.Fatal(ids, err)
	}
	for life := byte(2); life < 5; life++ {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = openTest(t, fs)
		if m.Fresh() {
			t.Fatal("fresh after a restart")
		}
		if got := m.Image().Topic(topic.ID).Partitions[2].LeaderEpoch; got != int32(life)-2 {
			t.Fatalf("leader epoch %d before registration %d", got, life)
		}
		b := register(t, m, life)
		if b.Epoch <= first.Epoch {
			t.Fatalf("broker epoch %d after %d", b.Epoch, first.Epoch)
		}
		for other := range m.Image().Topics() {
			for _, p := range other.Partitions {
				if p.LeaderEpoch != int32(life)-1 {
					t.Fatalf("life %d: leader epoch of %s/%d is %d", life, other.Name, p.Index, p.LeaderEpoch)
				}
			}
		}
	}
	if _, err := m.AllocateProducerIDs(ctx, AllocateProducerIDs{NodeID: 1, BrokerEpoch: first.Epoch}); !errors.Is(err, kerr.StaleBrokerEpoch) {
		t.Errorf("a block for the first life: %v", err)
	}
	ids, err = m.AllocateProducerIDs(ctx, AllocateProducerIDs{NodeID: 1, BrokerEpoch: m.Image().Broker(1).Epoch})
	if err != nil || ids.First != 1000 {
		t.Error(ids, err)
	}
}
