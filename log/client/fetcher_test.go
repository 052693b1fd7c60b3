package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
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

// batchAt builds a batch of values.
func batchAt(base int64, h record.Header, values ...string) []byte {
	var b record.Builder
	for i, v := range values {
		b.Append(1000+int64(i), nil, []byte(v), nil)
	}
	data := slices.Clone(b.Finish(h))
	record.SetBaseOffset(data, base)
	return data
}

func transactional(pid int64) record.Header {
	return record.Header{Attributes: record.AttrTransactional, ProducerID: pid}
}

func markerAt(base int64, m record.Marker, pid int64) []byte {
	data := record.ControlBatch(record.Control{Marker: m}, pid, 0, 0)
	record.SetBaseOffset(data, base)
	return data
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

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func TestFetchedIsFiltered(t *testing.T) {
	aborted := func(pid, first int64) kmsg.FetchResponseTopicPartitionAbortedTransaction {
		a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		a.ProducerID, a.FirstOffset = pid, first
		return a
	}
	plain := record.Header{ProducerID: -1}
	tests := []struct {
		name    string
		data    []byte
		aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction
		from    int64
		end     int64
		iso     Isolation
		want    []string
	}{
		{name: "records below the position", data: batchAt(10, plain, "a", "b", "c"), from: 11, end: 13, want: []string{"11:b", "12:c"}},
		{name: "batches below the position", data: join(batchAt(10, plain, "a"), batchAt(11, plain, "b")), from: 11, end: 12, want: []string{"11:b"}},
		{name: "gaps between batches", data: join(batchAt(0, plain, "a"), batchAt(7, plain, "b")), end: 8, want: []string{"0:a", "7:b"}},
		{name: "markers end the log", data: join(batchAt(0, transactional(9), "a"), markerAt(1, record.Commit, 9)), end: 2, iso: ReadCommitted, want: []string{"0:a"}},
		{
			name: "aborted between committed", iso: ReadCommitted, end: 7,
			data: join(batchAt(0, transactional(1), "a"), batchAt(1, transactional(2), "x"), batchAt(2, plain, "p"),
				batchAt(3, transactional(1), "b"), markerAt(4, record.Abort, 2), markerAt(5, record.Commit, 1), batchAt(6, transactional(2), "c")),
			aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(2, 1)},
			want:    []string{"0:a", "2:p", "3:b", "6:c"},
		},
		{
			name: "two aborted transactions of one producer", iso: ReadCommitted, end: 6,
			data: join(batchAt(0, transactional(1), "x"), markerAt(1, record.Abort, 1), batchAt(2, transactional(1), "a"), markerAt(3, record.Commit, 1),
				batchAt(4, transactional(1), "y"), markerAt(5, record.Abort, 1)),
			aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(1, 4), aborted(1, 0)},
			want:    []string{"2:a"},
		},
		{
			name: "aborted before the position", iso: ReadCommitted, from: 3, end: 6,
			data:    join(batchAt(3, transactional(1), "x"), markerAt(4, record.Abort, 1), batchAt(5, plain, "a")),
			aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(1, 0)},
			want:    []string{"5:a"},
		},
		{
			name: "uncommitted sees all but markers", end: 2,
			data:    join(batchAt(0, transactional(1), "x"), markerAt(1, record.Abort, 1)),
			aborted: []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(1, 0)},
			want:    []string{"0:x"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, last, err := walk(t, once(test.from, test.end, test.data, test.aborted...), test.from, FetcherOptions{Isolation: test.iso})
			if err != nil || !slices.Equal(got, test.want) {
				t.Fatalf("read %v, %v; want %v", got, err, test.want)
			}
			if last.Next != test.end {
				t.Errorf("position %d, want %d", last.Next, test.end)
			}
		})
	}
}

func TestAppendTimeIsTheBatchs(t *testing.T) {
	h := record.Header{ProducerID: -1, Attributes: record.AttrAppendTime}
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(once(0, 2, batchAt(0, h, "a", "b"))).NewFetcher(FetcherOptions{})
		defer f.Close()
		got, err := f.Open(TopicPartition{"t", 0}, 0).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var it Records
		for it.Reset(got); it.Next(); {
			if it.Timestamp != 1001 {
				t.Errorf("timestamp %d, want the batch's 1001", it.Timestamp)
			}
		}
	})
}

func TestBadBatchesAreRefused(t *testing.T) {
	good := batchAt(0, record.Header{ProducerID: -1}, "a", "b")
	old := slices.Clone(good)
	old[16] = 1
	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	short := slices.Clone(good)
	binary.BigEndian.PutUint32(short[8:], 3)
	for _, test := range []struct {
		name string
		data []byte
		is   error
		text string
	}{
		{"magic 1", old, record.ErrMagic, "magic 1"},
		{"flipped bit", flipped, record.ErrCorrupt, "checksum"},
		{"absurd length", short, record.ErrCorrupt, "length"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := walk(t, once(0, 2, test.data), 0, FetcherOptions{})
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), "fetch t/0 at offset 0") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestDecompressionHasABudget(t *testing.T) {
	h := record.Header{ProducerID: -1, Attributes: int16(record.Zstd)}
	bomb := batchAt(0, h, strings.Repeat("a", 10<<20))
	_, _, err := walk(t, once(0, 1, bomb), 0, FetcherOptions{DecompressBytes: 1 << 20})
	if !errors.Is(err, record.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
}

// TestCutBatch: a batch larger than PartitionMaxBytes arrives cut until more is
// asked for.
func TestCutBatch(t *testing.T) {
	batch := batchAt(0, record.Header{ProducerID: -1}, strings.Repeat("x", 5000))
	s := once(0, 1, batch)
	inner, asked := s.fetch, []int32{}
	s.fetch = func(ctx context.Context, p kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		asked = append(asked, p.PartitionMaxBytes)
		a := inner(ctx, p)
		a.RecordBatches = a.RecordBatches[:min(len(a.RecordBatches), int(p.PartitionMaxBytes))]
		return a
	}
	got, _, err := walk(t, s, 0, FetcherOptions{PartitionMaxBytes: 1000})
	if err != nil || len(got) != 1 {
		t.Fatalf("read %d records, %v", len(got), err)
	}
	if !slices.Equal(asked[:4], []int32{1000, 2000, 4000, 8000}) {
		t.Fatalf("asked for %v", asked)
	}
}

func TestOffsetOutOfRange(t *testing.T) {
	s := &scripted{fetch: func(_ context.Context, p kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		a := kmsg.NewFetchResponseTopicPartition()
		a.LogStartOffset, a.HighWatermark = 100, 200
		if p.FetchOffset < 100 {
			a.ErrorCode = kerr.OffsetOutOfRange.Code
		}
		return a
	}}
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(s).NewFetcher(FetcherOptions{})
		defer f.Close()
		cur := f.Open(TopicPartition{"t", 0}, 7)
		_, err := cur.Next(t.Context())
		var lost *OffsetOutOfRangeError
		if !errors.As(err, &lost) || lost.Offset != 7 || lost.LogStart != 100 || lost.End != 200 {
			t.Fatalf("got %v", err)
		}
		if !strings.Contains(err.Error(), "offsets 7 to 99 are gone") {
			t.Errorf("the message does not name the lost range: %v", err)
		}
		cur.SeekTo(100)
		got, err := cur.Next(t.Context())
		if err != nil || got.From != 100 || got.AtEnd {
			t.Fatalf("after SeekTo: %+v, %v", got, err)
		}
	})
}

func TestRecreatedTopic(t *testing.T) {
	s := &scripted{id: [16]byte{1}}
	s.fetch = func(context.Context, kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		a := kmsg.NewFetchResponseTopicPartition()
		a.ErrorCode = kerr.UnknownTopicID.Code
		s.id = [16]byte{2}
		return a
	}
	if _, _, err := walk(t, s, 42, FetcherOptions{}); !errors.Is(err, ErrTopicRecreated) {
		t.Fatalf("got %v", err)
	}
}

// TestAtEndNeedsRecentAnswers: a broker that hangs or refuses is not an idle
// partition.
func TestAtEndNeedsRecentAnswers(t *testing.T) {
	var state atomic.Value
	set := func(mode string) { state.Store(mode) }
	set("ok")
	s := &scripted{}
	s.fetch = func(ctx context.Context, _ kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		a := kmsg.NewFetchResponseTopicPartition()
		switch state.Load() {
		case "hang":
			<-ctx.Done()
		case "refuse":
			a.ErrorCode = kerr.NotLeaderForPartition.Code
		}
		return a
	}
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(s).NewFetcher(FetcherOptions{})
		defer f.Close()
		cur := f.Open(TopicPartition{"t", 0}, 0)
		expect := func(want bool) {
			t.Helper()
			synctest.Wait()
			if cur.AtEnd() != want {
				t.Fatalf("mode %s: AtEnd is %v", state.Load(), !want)
			}
		}
		expect(false) // the first answer is not there
		if _, err := cur.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(true)
		set("hang")
		time.Sleep(time.Second)
		expect(true) // a long poll may take a while
		time.Sleep(5 * time.Second)
		expect(false)
	})
	set("ok")
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(s).NewFetcher(FetcherOptions{})
		defer f.Close()
		cur := f.Open(TopicPartition{"t", 0}, 0)
		if _, err := cur.Next(t.Context()); err != nil || !cur.AtEnd() {
			t.Fatalf("AtEnd %v, %v", cur.AtEnd(), err)
		}
		set("refuse")
		time.Sleep(150 * time.Millisecond)
		if cur.AtEnd() {
			t.Fatal("AtEnd although fetches are refused")
		}
		set("ok")
		time.Sleep(2 * time.Second)
		if !cur.AtEnd() {
			t.Fatal("not AtEnd although fetches succeed again")
		}
	})
}

// TestBufferIsBounded: nobody reads, so fetching stops.
func TestBufferIsBounded(t *testing.T) {
	h := record.Header{ProducerID: -1}
	s := &scripted{fetch: func(_ context.Context, p kmsg.FetchRequestTopicPartition) kmsg.FetchResponseTopicPartition {
		a := kmsg.NewFetchResponseTopicPartition()
		a.HighWatermark = 1 << 40
		a.RecordBatches = batchAt(p.FetchOffset, h, strings.Repeat("x", 900))
		return a
	}}
	synctest.Test(t, func(t *testing.T) {
		f := newTestClient(s).NewFetcher(FetcherOptions{PartitionMaxBytes: 5000})
		defer f.Close()
		cur := f.Open(TopicPartition{"t", 0}, 0)
		time.Sleep(time.Minute)
		f.mu.Lock()
		buffered := f.buffered
		f.mu.Unlock()
		if buffered < 5000 || buffered > 6000 {
			t.Fatalf("%d bytes buffered", buffered)
		}
		for want := range int64(100) { // and goes on when somebody does
			got, err := cur.Next(t.Context())
			if err != nil || got.From != want || got.Next != want+1 {
				t.Fatalf("read %+v, %v at %d", got, err, want)
			}
		}
		cur.Pause()
		cur.SeekTo(3)
		if got, err := cur.Next(timeout(t)); err == nil {
			t.Fatalf("paused, but read %+v", got)
		}
		cur.Resume()
		if got, err := cur.Next(t.Context()); err != nil || got.From != 3 {
			t.Fatalf("read %+v, %v after SeekTo", got, err)
		}
		cur.Close()
		if _, err := cur.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Fatalf("a closed cursor gave %v", err)
		}
	})
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
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

func TestRecordsDoNotAllocate(t *testing.T) {
	values := make([]string, 1000)
	for i := range values {
		values[i] = strings.Repeat("v", 200)
	}
	f := &Fetched{Batches: [][]byte{batchAt(0, record.Header{ProducerID: -1}, values...)}}
	var it Records
	n := 0
	allocs := testing.AllocsPerRun(10, func() {
		for it.Reset(f); it.Next(); {
			n += len(it.Value)
		}
	})
	if allocs > 0 || n == 0 {
		t.Errorf("%v allocations for 1000 records", allocs)
	}
}
