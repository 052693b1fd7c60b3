package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/record"
)

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

// TestDamageBehindWholeBatches: a bit that flips on a broker's disk used to hide
// every record that the same response held in front of it, because the response
// was refused as a whole.
func TestDamageBehindWholeBatches(t *testing.T) {
	batch := func(base int64) []byte {
		var b record.Builder
		b.Append(1, nil, []byte("a value"), nil)
		data := append([]byte(nil), b.Finish(record.Plain())...)
		record.SetBaseOffset(data, base)
		return data
	}
	whole, damaged := batch(5), batch(6)
	damaged[len(damaged)-1] ^= 1
	f := &Fetched{From: 5, Next: 5}
	if err := f.split(append(whole, damaged...), nil); err != nil || len(f.Batches) != 1 || f.Next != 6 {
		t.Fatalf("split: %d batches, next %d, %v; want the whole one", len(f.Batches), f.Next, err)
	}
	f = &Fetched{From: 6, Next: 6}
	if err := f.split(damaged, nil); !errors.Is(err, record.ErrCorrupt) {
		t.Fatalf("split of the damaged batch: %v", err)
	}
}
