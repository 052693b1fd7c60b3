package client

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

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
