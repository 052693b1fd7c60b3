package client

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// ackAll is a Cluster that acknowledges every Produce at once.
type ackAll struct{ scripted }

func (s *ackAll) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	if req.Key() == 22 {
		return kmsg.NewPtrInitProducerIDResponse(), nil
	}
	return s.scripted.Request(ctx, req)
}

func (s *ackAll) Broker(int32) kmsg.Requestor { return acker{} }

type acker struct{}

func (acker) Request(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrProduceResponse()
	for _, t := range req.(*kmsg.ProduceRequest).Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

// BenchmarkAppend builds and sends batches to a broker that costs nothing.
func BenchmarkAppend(b *testing.B) {
	p := newTestClient(&ackAll{}).NewProducer(ProducerOptions{})
	defer p.Close()
	value := []byte(strings.Repeat("v", 200))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Append("t", 0, 1000, nil, value); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// watched compares the record bytes of every Produce when it begins and ends.
type watched struct {
	Cluster
	t *testing.T
}

func (w watched) Broker(id int32) kmsg.Requestor { return watchedBroker{w, w.Cluster.Broker(id)} }

type watchedBroker struct {
	w watched
	b kmsg.Requestor
}

func (b watchedBroker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	p, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		return b.b.Request(ctx, req)
	}
	resp, err := b.b.Request(ctx, req)
	for _, t := range p.Topics {
		for _, part := range t.Partitions {
			if _, cerr := record.Check(part.Records, record.Limits{}); cerr != nil {
				b.w.t.Errorf("the batch for %s/%d changed while it was lent: %v", t.Topic, part.Partition, cerr)
			}
		}
	}
	return resp, err
}

// TestBatchesStandStillWhileLent aborts transactions with batches in flight.
func TestBatchesStandStillWhileLent(t *testing.T) {
	eachCluster(t, topics{"out": 2}, func(t *testing.T, cluster Cluster) {
		p := newTxn(t, newTestClient(watched{cluster, t}), "txn")
		ctx := testContext(t)
		for round := range 30 {
			for i := range 200 {
				if err := p.Append("out", int32(i%2), 0, nil, []byte("some value")); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.End(ctx, round%3 == 0); err != nil {
				t.Fatal(err)
			}
		}
	})
}
