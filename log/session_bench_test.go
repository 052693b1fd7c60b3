package log

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// batch200 is a record batch of a thousand values of 200 bytes.
func batch200() []byte {
	var records [][2]string
	for range 1000 {
		records = append(records, [2]string{"", strings.Repeat("x", 200)})
	}
	return batchOf(record.Plain(), records...)
}

// What the log costs the embedded engine per record, without a socket: one thousand
// records of 200 bytes in each batch, sync policy os.
func BenchmarkSessionProduce(b *testing.B) {
	n := openNode(b, vfs.OS(), func(o *Options) { o.DataDir, o.Sync, o.strict = b.TempDir(), SyncOS, false })
	s := n.Session(SessionOptions{})
	id := create(b, s, "t", 1)
	batch := batch200()
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := sessionProduce(b.Context(), s, produceRequest("t", id, batch)); err != nil || p.ErrorCode != 0 {
			b.Fatal(err, p.ErrorCode)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}

func BenchmarkSessionFetch(b *testing.B) {
	n := openNode(b, vfs.OS(), func(o *Options) { o.DataDir, o.Sync, o.strict = b.TempDir(), SyncOS, false })
	s := n.Session(SessionOptions{})
	id := create(b, s, "t", 1)
	batch := batch200()
	const batches = 500
	for range batches {
		if p, err := sessionProduce(b.Context(), s, produceRequest("t", id, batch)); err != nil || p.ErrorCode != 0 {
			b.Fatal(err, p.ErrorCode)
		}
	}
	b.ReportAllocs()
	records := 0
	for offset := int64(0); b.Loop(); {
		req := fetchRequest("t", id, offset)
		p, err := sessionFetch(b.Context(), s, req)
		if err != nil || p.ErrorCode != 0 {
			b.Fatal(err, p.ErrorCode)
		}
		got := 1000 * (len(p.RecordBatches) / len(batch))
		records += got
		if offset += int64(got); offset == p.HighWatermark {
			offset = 0
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}
