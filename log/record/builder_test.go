package record

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// plainRecord is a record with its own memory, comparable by reflect.DeepEqual.
type plainRecord struct {
	Offset, Timestamp int64
	Key, Value        []byte
	Headers           []KV
}

func readAllRecords(t testing.TB, batch []byte) []plainRecord {
	t.Helper()
	var r Reader
	if err := r.Reset(batch); err != nil {
		t.Fatal(err)
	}
	var list []plainRecord
	var rec Record
	for r.Next(&rec) {
		p := plainRecord{rec.Offset, rec.Timestamp, bytes.Clone(rec.Key), bytes.Clone(rec.Value), nil}
		h := rec.Headers()
		for h.Next() {
			p.Headers = append(p.Headers, KV{bytes.Clone(h.Key), bytes.Clone(h.Value)})
		}
		if h.Err() != nil {
			t.Fatal(h.Err())
		}
		list = append(list, p)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return list
}

func randomRecords(rng *rand.Rand, n int) []plainRecord {
	some := func(limit int) []byte {
		switch rng.IntN(6) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		return bytes.Repeat([]byte{byte(rng.IntN(256)), byte(rng.IntN(4))}, rng.IntN(limit))
	}
	list := make([]plainRecord, n)
	for i := range list {
		list[i] = plainRecord{Offset: int64(i), Timestamp: 1_700_000_000_000 + rng.Int64N(1e7) - 5e6, Key: some(20), Value: some(300)}
		for range rng.IntN(3) * rng.IntN(3) {
			list[i].Headers = append(list[i].Headers, KV{append([]byte{}, some(9)...), some(40)})
		}
	}
	return list
}

func build(b *Builder, list []plainRecord, h Header) []byte {
	b.Reset()
	for _, p := range list {
		b.Append(p.Timestamp, p.Key, p.Value, p.Headers)
	}
	return b.Finish(h)
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var b Builder
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		for _, n := range []int{1, 2, 63, 64, 700} {
			t.Run(fmt.Sprint(codec, n), func(t *testing.T) {
				want := randomRecords(rng, n)
				batch := build(&b, want, Header{
					Attributes: int16(codec) | AttrTransactional, ProducerID: 77, ProducerEpoch: 3, BaseSequence: math.MaxInt32,
				})
				h, err := Check(batch, Limits{MaxBytes: len(batch)})
				if err != nil {
					t.Fatal(err)
				}
				if n > 60 && h.Codec() != codec {
					t.Errorf("codec %v", h.Codec())
				}
				if h.LastSequence() != int32((int64(math.MaxInt32)+int64(n-1))%(1<<31)) {
					t.Errorf("last sequence %d", h.LastSequence())
				}
				if got := readAllRecords(t, batch); !reflect.DeepEqual(got, want) {
					t.Fatalf("got %v\nwant %v", got, want)
				}
			})
		}
	}
}

// TestAgainstKmsg lets another implementation read our batches and us its.
func TestAgainstKmsg(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var b Builder
	for range 50 {
		want := randomRecords(rng, 1+rng.IntN(40))
		batch := build(&b, want, Header{BaseOffset: 5, LeaderEpoch: 9, ProducerID: 1 << 40, ProducerEpoch: 7, BaseSequence: 11})
		var theirs kmsg.RecordBatch
		if err := theirs.ReadFrom(batch); err != nil {
			t.Fatal(err)
		}
		h, err := ParseHeader(batch)
		if err != nil {
			t.Fatal(err)
		}
		got := Header{theirs.FirstOffset, theirs.Length, theirs.PartitionLeaderEpoch, theirs.Magic, uint32(theirs.CRC),
			theirs.Attributes, theirs.LastOffsetDelta, theirs.FirstTimestamp, theirs.MaxTimestamp, theirs.ProducerID,
			theirs.ProducerEpoch, theirs.FirstSequence, theirs.NumRecords}
		if got != h {
			t.Fatalf("they read %+v\nwe read %+v", got, h)
		}
		if again := theirs.AppendTo(nil); !bytes.Equal(again, batch) {
			t.Fatal("they encode the batch differently")
		}
		var records []byte
		for i, p := range want {
			rec := kmsg.Record{TimestampDelta64: p.Timestamp - h.BaseTimestamp, OffsetDelta: int32(i), Key: p.Key, Value: p.Value}
			for _, kv := range p.Headers {
				rec.Headers = append(rec.Headers, kmsg.Header{Key: string(kv.Key), Value: kv.Value})
			}
			rec.Length = int32(len(rec.AppendTo(nil)) - 1) // with a length of one byte
			records = rec.AppendTo(records)
		}
		if !bytes.Equal(records, batch[HeaderSize:]) {
			t.Fatal("they encode the records differently")
		}
	}
}

// TestAgainstKgo has a consumer of the field check our checksums.
func TestAgainstKgo(t *testing.T) {
	var b Builder
	want := randomRecords(rand.New(rand.NewPCG(3, 3)), 30)
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		h := Plain()
		h.Attributes = int16(codec)
		marker := ControlBatch(Control{Commit, 1}, 3, 4, 5)
		SetBaseOffset(marker, int64(len(want)))
		batches := append(bytes.Clone(build(&b, want, h)), marker...)
		p := kmsg.NewFetchResponseTopicPartition()
		p.RecordBatches = batches
		got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true}, &p,
			kgo.DefaultDecompressor(), nil)
		if got.Err != nil || len(got.Records) != len(want)+1 {
			t.Fatalf("%v: %d records, %v", codec, len(got.Records), got.Err)
		}
		for i, p := range want {
			if r := got.Records[i]; !bytes.Equal(r.Key, p.Key) || !bytes.Equal(r.Value, p.Value) ||
				r.Timestamp.UnixMilli() != p.Timestamp || len(r.Headers) != len(p.Headers) {
				t.Fatalf("%v: record %d", codec, i)
			}
		}
	}
}

func TestFinishOfNothing(t *testing.T) {
	var b Builder
	if got := b.Finish(Plain()); got != nil || b.Len() != 0 || b.Size() != HeaderSize {
		t.Fatal(got, b.Len(), b.Size())
	}
}

func TestBuilderAndReaderDoNotAllocate(t *testing.T) {
	var b Builder
	var r Reader
	key, value := []byte("key"), bytes.Repeat([]byte("v"), 180)
	for _, codec := range []Codec{None, Snappy, Zstd} {
		allocs := testing.AllocsPerRun(20, func() {
			b.Reset()
			for i := range 500 {
				b.Append(int64(i), key, value, nil)
			}
			h := Plain()
			h.Attributes = int16(codec)
			batch := b.Finish(h)
			if err := r.Reset(batch); err != nil {
				t.Fatal(err)
			}
			n := 0
			for rec := (Record{}); r.Next(&rec); {
				n++
			}
			if n != 500 || r.Err() != nil {
				t.Fatal(n, r.Err())
			}
		})
		if allocs > 8 { // of 500 records; zstd has pools, which the race detector empties
			t.Errorf("%v: %v allocations per batch", codec, allocs)
		}
	}
}

func BenchmarkBuild(bm *testing.B) {
	var b Builder
	value := bytes.Repeat([]byte("v"), 190)
	bm.ReportAllocs()
	for range bm.N {
		if b.Len() == 1000 {
			b.Finish(Plain())
			b.Reset()
		}
		b.Append(1_700_000_000_000, nil, value, nil)
	}
}

func BenchmarkRead(bm *testing.B) {
	for _, codec := range []Codec{None, Snappy, LZ4, Zstd} {
		bm.Run(codec.String(), func(bm *testing.B) {
			var b Builder
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range 1000 {
				b.Append(int64(i), nil, fmt.Appendf(nil, "%0190d", rng.Uint64()), nil)
			}
			h := Plain()
			h.Attributes = int16(codec)
			batch := bytes.Clone(b.Finish(h))
			var r Reader
			var rec Record
			bm.ReportAllocs()
			for range bm.N {
				if !r.Next(&rec) {
					if _, err := Check(batch, Limits{}); err != nil {
						bm.Fatal(err)
					}
					if err := r.Reset(batch); err != nil {
						bm.Fatal(err)
					}
				}
			}
		})
	}
}
