package storage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// BenchmarkRound is how long one commit round takes, from what was appended to who
// waited being told, with one small append to each of some partitions, by the number
// of these. The floor is what no journal can be faster than: the same bytes written
// over older ones in one file, and synced.
//
//	go test -run xxx -bench Round -benchtime 200x ./log/internal/storage
//
// p50 and p99 count; ns/op includes the appends.
func BenchmarkRound(b *testing.B) {
	for _, logs := range []int{1, 2, 4, 10, 100, 1000} {
		b.Run(fmt.Sprintf("partitions=%d/floor", logs), func(b *testing.B) { benchmarkFloor(b, logs) })
		for _, mode := range []JournalMode{JournalOff, JournalOn, JournalAuto} {
			b.Run(fmt.Sprintf("partitions=%d/journal=%s", logs, journalNames[mode]), func(b *testing.B) {
				if mode == JournalOff && logs == 1000 && b.N > 50 {
					b.Skip("half a second each: use -benchtime 50x")
				}
				benchmarkRound(b, logs, mode)
			})
		}
	}
}

var benchValue = strings.Repeat("v", 130) // a batch of 200 bytes

func benchmarkRound(b *testing.B, logs int, mode JournalMode) {
	d, err := Open(Options{FS: vfs.OS(), Dir: b.TempDir(), Journal: mode})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close(-1)
	list := make([]*Log, logs)
	for i := range list {
		if list[i], err = d.OpenLog(topic, int32(i), Config{}); err != nil {
			b.Fatal(err)
		}
	}
	// The loop is run by hand.
	d.commit.stop()
	d.commit.done = make(chan struct{})
	d.commit.quit = make(chan struct{})
	go func() { <-d.commit.quit; close(d.commit.done) }()
	batch := plainBatch(benchValue)
	round := func() time.Duration {
		for _, l := range list {
			if _, err := l.Append(batch, AppendOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		began := time.Now()
		d.commit.round()
		return time.Since(began)
	}
	for range 3 { // the first file is on its way
		round()
		time.Sleep(100 * time.Millisecond)
	}
	var took []time.Duration
	for b.Loop() {
		took = append(took, round())
	}
	for _, l := range list {
		if l.Durable() != l.LogEnd() {
			b.Fatal("a round has left something out")
		}
	}
	reportQuantiles(b, took)
}

func benchmarkFloor(b *testing.B, logs int) {
	const size = 32 << 20
	name := b.TempDir() + "/journal"
	if err := fill(vfs.OS(), name, nil, size); err != nil {
		b.Fatal(err)
	}
	f, err := vfs.OS().OpenWrite(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	record := make([]byte, inPages(recordHeader+logs*(entryHeader+len(plainBatch(benchValue)))))
	var took []time.Duration
	for pos := int64(0); b.Loop(); {
		if pos+int64(len(record)) > size {
			pos = 0
		}
		began := time.Now()
		if _, err := f.WriteAt(record, pos); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		pos += int64(len(record))
	}
	reportQuantiles(b, took)
}

func reportQuantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 1e6 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}
