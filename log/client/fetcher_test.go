package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// scripted is a Cluster of one broker and one partition t/0 whose answers to
// Fetch a test decides.
type scripted struct {
	fetch func(ctx context.Context, p kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition
	id    [16]byte
	leads func() int32 // nil: broker 1
}

func (s *scripted) Request(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
	m := req.(*kmsg.MetadataRequest)
	resp := kmsg.NewPtrMetadataResponse()
	for _, t := range m.Topics {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, s.id
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader, p.LeaderEpoch = 1, 5
		if s.leads != nil {
			p.Leader = s.leads()
		}
		rt.Partitions = append(rt.Partitions, p)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

func (s *scripted) Broker(int32) kmsg.Requestor { return scriptedBroker{s} }

type scriptedBroker struct{ s *scripted }

func (b scriptedBroker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	f := req.(*kmsg.FetchRequest)
	resp := kmsg.NewPtrFetchResponse()
	for _, t := range f.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			a := b.s.fetch(ctx, p)
			a.Partition = p.Partition
			if len(a.RecordBatches) == 0 && a.ErrorCode == 0 {
				_ = sleep(ctx, time.Duration(f.MaxWaitMillis)*time.Millisecond)
			}
			rt.Partitions = append(rt.Partitions, a)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, ctx.Err()
}

// once answers with data at the offset that a test begins at, and with the end
// of the log afterwards.
func once(from, end int64, data []byte, aborted ...kmsg.FetchResponseTopicPartitionAbortedTransaction) *scripted {
	return &scripted{fetch: func(_ context.Context, p kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		a := kmsg.NewFetchResponseTopicPartition()
		a.HighWatermark, a.LastStableOffset = end, end
		if p.FetchOffset == from {
			a.RecordBatches, a.AbortedTransactions = data, aborted
		}
		return a
	}}
}

func walk(t *testing.T, s *scripted, from int64, o FetcherOptions) (read []string, last *Fetched, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(s).NewFetcher(o)
		defer f.Close()
		cur := f.Open(TopicPartition{"t", 0}, from)
		var it Records
		for !cur.AtEnd() {
			var got *Fetched
			if got, err = cur.Next(t.Context()); err != nil {
				return
			}
			last = got
			for it.Reset(got); it.Next(); {
				read = append(read, fmt.Sprintf("%d:%s", it.Offset, it.Value))
			}
			if err = it.Err(); err != nil {
				return
			}
		}
	})
	return read, last, err
}

func TestPartitionOpenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(once(0, 0, nil)).NewFetcher(FetcherOptions{})
		defer f.Close()
		f.Open(TopicPartition{"t", 0}, 0)
		if _, err := f.Open(TopicPartition{"t", 0}, 0).Next(t.Context()); err == nil {
			t.Fatal("a partition is open twice")
		}
		if _, err := f.Open(TopicPartition{"t", 1}, 0).Next(t.Context()); !errors.Is(err, ErrUnknownTopic) {
			t.Fatalf("a partition that is not there: %v", err)
		}
	})
}
