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
// over older ones in one file, and synced. Both take turns, and x-floor is the median
// of the ratios of neighbours: times alone say little on a machine with other work.
//
//	go test -run xxx -bench Round -benchtime 100x ./log/internal/storage
//
// ns/op includes the appends.
func BenchmarkRound(b *testing.B) {
	for _, logs := range []int{1, 2, 4, 10, 100, 1000} {
		for _, mode := range []JournalMode{JournalOff, JournalOn, JournalAuto} {
			b.Run(fmt.Sprintf("partitions=%d/journal=%s", logs, journalNames[mode]), func(b *testing.B) {
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
	floor := newFloor(b, logs)
	var took, floors []time.Duration
	for b.Loop() {
		took = append(took, round())
		floors = append(floors, floor())
	}
	for _, l := range list {
		if l.Durable() != l.LogEnd() {
			b.Fatal("a round has left something out")
		}
	}
	ratios := make([]float64, len(took))
	for i := range took {
		ratios[i] = float64(took[i]) / float64(floors[i])
	}
	slices.Sort(took)
	slices.Sort(floors)
	slices.Sort(ratios)
	middle := len(took) / 2
	b.ReportMetric(float64(took[middle])/1e6, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
	b.ReportMetric(float64(floors[middle])/1e6, "floor-p50-ms")
	b.ReportMetric(ratios[middle], "x-floor")
}

// newFloor is a function that writes as many bytes as a round of the journal has
// over older ones, and syncs them.
func newFloor(b *testing.B, logs int) func() time.Duration {
	const size = 32 << 20
	name := b.TempDir() + "/journal"
	if err := fill(vfs.OS(), name, nil, size); err != nil {
		b.Fatal(err)
	}
	f, err := vfs.OS().OpenWrite(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	record := make([]byte, inPages(recordHeader+logs*(entryHeader+len(plainBatch(benchValue)))))
	pos := int64(0)
	return func() time.Duration {
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
		pos += int64(len(record))
		return time.Since(began)
	}
}
