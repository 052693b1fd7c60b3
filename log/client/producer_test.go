package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/log/record"
)

// TestProduceAndFetch writes with every codec from several goroutines and reads
// with this client and with franz-go's.
func TestProduceAndFetch(t *testing.T) {
	eachCluster(t, topics{"none": 3, "gzip": 3, "snappy": 3, "lz4": 3, "zstd": 3}, produceAndFetch)
}

func produceAndFetch(t *testing.T, cluster Cluster) {
	c, ctx := newTestClient(cluster), testContext(t)
	for codec := record.None; codec <= record.Zstd; codec++ {
		topic := codec.String()
		t.Run(topic, func(t *testing.T) {
			p := c.NewProducer(ProducerOptions{BatchBytes: 1000, Compression: topic})
			defer p.Close()
			var writers sync.WaitGroup
			for part := range int32(3) {
				writers.Go(func() {
					for i := range 500 {
						if err := p.Append(topic, part, int64(1000+i), []byte("k"), fmt.Appendf(nil, "%d-%d", part, i), Header{Key: []byte("h"), Value: []byte("v")}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			if n := p.Unacknowledged(); n != 0 {
				t.Errorf("%d bytes unacknowledged after Flush", n)
			}
			for part := range int32(3) {
				values, offsets := readAll(t, c, ReadCommitted, TopicPartition{topic, part}, 0)
				if len(values) != 500 || values[499] != fmt.Sprintf("%d-499", part) || offsets[499] != 499 {
					t.Fatalf("read %d values of partition %d", len(values), part)
				}
			}
		})
	}
}

// TestKgoReadsWhatWeWrite: batches, headers and compression as another client
// understands them.
func TestKgoReadsWhatWeWrite(t *testing.T) {
	fake, cluster := fakeKafka(t, kfake.SeedTopics(3, "none", "gzip", "snappy", "lz4", "zstd"))
	produceAndFetch(t, cluster)
	cl := kgoClient(t, fake, kgo.ConsumeTopics("none", "gzip", "snappy", "lz4", "zstd"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx := testContext(t)
	next := map[string]int{}
	for n := 0; n < 5*3*500; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			at := fmt.Sprintf("%s/%d", r.Topic, r.Partition)
			want := fmt.Sprintf("%d-%d", r.Partition, next[at])
			if string(r.Value) != want || string(r.Key) != "k" || r.Timestamp.UnixMilli() != int64(1000+next[at]) || string(r.Headers[0].Value) != "v" {
				t.Fatalf("%s: read %q key %q at %v, want %q", at, r.Value, r.Key, r.Timestamp, want)
			}
			next[at]++
		})
	}
}

func TestUnknownCompressionIsRefused(t *testing.T) {
	p := newTestClient(once(0, 0, nil)).NewProducer(ProducerOptions{Compression: "brotli"})
	defer p.Close()
	if err := p.Append("t", 0, 0, nil, nil); !errors.Is(err, record.ErrCodec) {
		t.Fatalf("got %v", err)
	}
}

// TestProduceThroughFaults loses requests and answers: nothing is lost, doubled
// or reordered.
func TestProduceThroughFaults(t *testing.T) {
	eachCluster(t, topics{"t": 4}, produceThroughFaults)
}

func produceThroughFaults(t *testing.T, cluster Cluster) {
	rng := random(t)
	flaky := newFlaky(cluster, rand.New(rand.NewPCG(rng.Uint64(), 0)), 0.4)
	p := newTestClient(flaky).NewProducer(ProducerOptions{BatchBytes: 90})
	defer p.Close()
	var want [4][]string
	for i := range 400 {
		part := rng.IntN(4)
		v := fmt.Sprint(i)
		want[part] = append(want[part], v)
		if err := p.Append("t", int32(part), 0, nil, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for part := range int32(4) {
		got, _ := readAll(t, newTestClient(cluster), ReadUncommitted, TopicPartition{"t", part}, 0)
		if !slices.Equal(got, want[part]) {
			t.Errorf("partition %d holds %v, want %v", part, got, want[part])
		}
	}
	if flaky.hits["Produce/2"] == 0 {
		t.Errorf("no answer of a Produce was lost: %v", flaky.hits)
	}
}

// TestFetchThroughFaults reads all records in order although fetches fail.
func TestFetchThroughFaults(t *testing.T) {
	eachCluster(t, topics{"t": 3}, fetchThroughFaults)
}

func fetchThroughFaults(t *testing.T, cluster Cluster) {
	writer := newTestClient(cluster).NewProducer(ProducerOptions{BatchBytes: 200})
	defer writer.Close()
	for i := range 600 {
		if err := writer.Append("t", int32(i%3), 0, nil, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := testContext(t)
	if err := writer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	flaky := newFlaky(cluster, random(t), 0.3, 1, 3)
	f := newTestClient(flaky).NewFetcher(FetcherOptions{PartitionMaxBytes: 700, MaxBytes: 1500, BufferBytes: 1000, MaxWait: 5 * time.Millisecond})
	defer f.Close()
	next := [3]int{0, 1, 2}
	for p := range int32(3) {
		f.Open(TopicPartition{"t", p}, 0)
	}
	var it Records
	for read := 0; read < 600; {
		cur, got, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for it.Reset(got); it.Next(); read++ {
			if want := fmt.Sprint(next[cur.Partition.Partition]); string(it.Value) != want {
				t.Fatalf("%s: read %s at %d, want %s", cur.Partition, it.Value, it.Offset, want)
			}
			next[cur.Partition.Partition] += 3
		}
	}
}
