package storage

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// BenchmarkReadChecked reads a megabyte of batches of 16 KiB from the page cache: of the
// segment that this process is writing, where checksums are not computed, and of a
// finished one, where they are.
func BenchmarkReadChecked(b *testing.B) {
	for _, finished := range []bool{false, true} {
		b.Run(map[bool]string{false: "own", true: "finished"}[finished], func(b *testing.B) {
			d, err := Open(Options{FS: vfs.OS(), Dir: b.TempDir(), Policy: OS})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close(-1)
			l, err := d.OpenLog(topic, 0, Config{})
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 200)
			rand.Read(value) //nolint:errcheck // it never fails (Go 1.24)
			var w record.Builder
			for range 75 {
				w.Append(1000, nil, value, nil)
			}
			batch := bytes.Clone(w.Finish(record.Plain()))
			for range 64 {
				if _, err := l.Append(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			end := l.LogEnd()
			if finished {
				l.writing.lock()
				err := l.roll()
				l.writing.unlock()
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				data, err := l.Read(0, 1<<20, end)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(data)))
			}
		})
	}
}
