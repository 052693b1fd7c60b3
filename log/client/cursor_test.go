package client

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

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
