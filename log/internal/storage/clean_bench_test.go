package storage

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// BenchmarkClean compacts 32 MB of records of 200 bytes, half of them outdated,
// without a bound on the rate. The figure is per byte of the log.
func BenchmarkClean(b *testing.B) {
	for _, codec := range []record.Codec{record.None, record.LZ4} {
		b.Run(codec.String(), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d, l := cleanInput(b, codec)
				b.SetBytes(l.Size())
				b.StartTimer()
				if _, err := l.Clean(b.Context(), time.Now(), l.LogEnd()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := d.Close(-1); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func cleanInput(b *testing.B, codec record.Codec) (*Disk, *Log) {
	d, err := Open(Options{FS: vfs.OS(), Dir: b.TempDir(), Policy: OS})
	if err != nil {
		b.Fatal(err)
	}
	l, err := d.OpenLog(topic, 0, Config{})
	if err != nil {
		b.Fatal(err)
	}
	const records, perBatch = 160_000, 80
	var w record.Builder
	h := record.Plain()
	h.Attributes = int16(codec)
	for i := range records {
		w.Append(1000, fmt.Appendf(nil, "key-%d", i%(records*2/3)), []byte(strings.Repeat("value ", 32)), nil)
		if i%perBatch == perBatch-1 {
			if _, err := l.Append(bytes.Clone(w.Finish(h)), AppendOptions{}); err != nil {
				b.Fatal(err)
			}
			w.Reset()
		}
	}
	l.writing.lock()
	err = l.roll()
	l.writing.unlock()
	if err == nil {
		err = l.Checkpoint()
	}
	if err != nil {
		b.Fatal(err)
	}
	return d, l
}
