package log

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The same random requests go to kfake, franz-go's broker for tests, and to a node,
// through the same real client; what a person would see must be the same.
//
// kfake is known to differ, and is not asked about it: it does not validate topic
// names, answers for unknown groups with an error, has other default configs, and
// refuses to delete records that are deleted already, where Kafka has nothing to do.
func TestSameAnswersAsKfake(t *testing.T) {
	rng := seeded(t)
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	_, addr := newNode(t)
	ctx := within(t)
	var steps []string
	for step := range 120 {
		op, describe := randomOp(rng)
		want, got := fresh(ctx, t, fake.ListenAddrs()[0], op), fresh(ctx, t, addr, op)
		steps = append(steps, describe+": "+want)
		if want != got {
			t.Fatalf("step %d, %s:\nkfake %s\nours  %s\nafter %s", step, describe, want, got, strings.Join(steps, "\n"))
		}
	}
}

// peer is a broker under comparison.
type peer struct {
	adm  *kadm.Client
	send *kgo.Client
	addr string
	t    *testing.T
}

func newPeer(t *testing.T, addr string) *peer {
	return &peer{
		adm: admin(t, addr), addr: addr, t: t,
		send: client(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(0), kgo.DisableIdempotentWrite()),
	}
}

// fresh runs op with clients that have nothing cached.
func fresh(ctx context.Context, t *testing.T, addr string, op func(context.Context, *peer) string) string {
	p := newPeer(t, addr)
	defer p.adm.Close()
	defer p.send.Close()
	return op(ctx, p)
}

// outcome is an error as its name, nil as "ok".
func outcome(err error) string {
	var k *kerr.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &k):
		return k.Message
	}
	return err.Error()
}

// randomOp draws a request; running it returns what came of it.
func randomOp(rng *rand.Rand) (run func(context.Context, *peer) string, describe string) {
	topic := fmt.Sprintf("t%d", rng.IntN(4))
	partition := int32(rng.IntN(3))
	offset := int64(rng.IntN(12))
	n := rng.IntN(4) + 1
	switch kind := rng.IntN(8); kind {
	case 0:
		partitions := int32(rng.IntN(4))
		return func(ctx context.Context, p *peer) string {
			r, err := p.adm.CreateTopic(ctx, partitions, 1, nil, topic)
			return fmt.Sprint(outcome(errors.Join(err, r.Err)), r.NumPartitions)
		}, fmt.Sprintf("create %s with %d partitions", topic, partitions)
	case 1:
		return func(ctx context.Context, p *peer) string {
			r, err := p.adm.DeleteTopics(ctx, topic)
			p.send.PurgeTopicsFromProducing(topic)
			return outcome(errors.Join(err, r.Error()))
		}, "delete " + topic
	case 2, 3, 4:
		return func(ctx context.Context, p *peer) string { return p.produce(ctx, topic, partition, n) },
			fmt.Sprintf("produce %d to %s/%d", n, topic, partition)
	case 5:
		return func(ctx context.Context, p *peer) string { return p.read(ctx, topic) }, "read " + topic
	case 6:
		return func(ctx context.Context, p *peer) string {
			starts, err := p.adm.ListStartOffsets(ctx, topic)
			if start, ok := starts.Lookup(topic, partition); err == nil && ok && start.Err == nil && offset < start.Offset {
				return fmt.Sprint("starts at ", start.Offset) // Kafka leaves it there, kfake refuses
			}
			var o kadm.Offsets
			o.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1})
			r, err := p.adm.DeleteRecords(ctx, o)
			d, _ := r.Lookup(topic, partition)
			if err := errors.Join(err, d.Err); err != nil {
				return outcome(err) // kfake has 0 for the watermark then, Kafka -1
			}
			return fmt.Sprint(d.LowWatermark)
		}, fmt.Sprintf("delete records of %s/%d before %d", topic, partition, offset)
	default:
		return func(ctx context.Context, p *peer) string {
			if !p.exists(ctx, topic, partition) {
				return "no such partition"
			}
			var o kadm.Offsets
			o.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1, Metadata: "m"})
			committed := p.adm.CommitAllOffsets(ctx, "g", o)
			r, err := p.adm.FetchOffsets(ctx, "g")
			got, _ := r.Lookup(topic, partition)
			return fmt.Sprint(outcome(committed), outcome(errors.Join(err, got.Err)), got.At, got.Metadata)
		}, fmt.Sprintf("commit %s/%d at %d", topic, partition, offset)
	}
}

func (p *peer) exists(ctx context.Context, topic string, partition int32) bool {
	topics, err := p.adm.ListTopics(ctx, topic)
	return err == nil && topics.Has(topic) && topics[topic].Err == nil && topics[topic].Partitions[partition].Leader >= 0 &&
		int(partition) < len(topics[topic].Partitions)
}

func (p *peer) produce(ctx context.Context, topic string, partition int32, n int) string {
	if !p.exists(ctx, topic, partition) {
		return "no such partition"
	}
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte{byte(i)}})
	}
	p.send.PurgeTopicsFromProducing(topic)
	results := p.send.ProduceSync(ctx, records...)
	return fmt.Sprint(outcome(results.FirstErr()), results[0].Record.Offset)
}

// read is the content of a topic from its log starts to its ends.
func (p *peer) read(ctx context.Context, topic string) string {
	starts, err := p.adm.ListStartOffsets(ctx, topic)
	ends, err2 := p.adm.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, err2, starts.Error(), ends.Error()); err != nil {
		return outcome(err)
	}
	total := 0
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(e.Topic, e.Partition)
		total += int(e.Offset - s.Offset)
	})
	if total == 0 {
		return "empty"
	}
	cl := client(p.t, p.addr, kgo.ConsumeTopics(topic))
	defer cl.Close()
	var got []string
	for len(got) < total && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			got = append(got, fmt.Sprintf("%d:%d=%x", r.Partition, r.Offset, r.Value))
		})
	}
	slices.Sort(got)
	return fmt.Sprint(got)
}
