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

// BenchmarkRecords checks and walks batches of 200-byte records.
func BenchmarkRecords(b *testing.B) {
	values := make([]string, 4000)
	for i := range values {
		values[i] = strings.Repeat("v", 200)
	}
	data := batchAt(0, record.Header{ProducerID: -1}, values...)
	var it Records
	b.ReportAllocs()
	for b.Loop() {
		f := &Fetched{}
		if err := f.split(data, nil); err != nil {
			b.Fatal(err)
		}
		for it.Reset(f); it.Next(); {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4000, "ns/record")
}
