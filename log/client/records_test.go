package client

import (
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
