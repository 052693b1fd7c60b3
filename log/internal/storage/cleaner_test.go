package storage

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// writeKeys appends a value for each of some keys.
func writeKeys(t *testing.T, l *Log, keys int, value string) {
	t.Helper()
	for i := range keys {
		mustAppend(t, l, keyed(record.Plain(), fmt.Sprint("key-", i), value))
	}
	rollNow(t, l)
}

// TestCleanerGoesByTheConfiguration: the disk compacts by itself what is dirty
// enough, not what is too young, and in time what has waited too long.
func TestCleanerGoesByTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := openDisk(t, vfs.NewMem())
		open := func(partition int32, c Config) *Log {
			c.Compact = true
			l, err := n.OpenLog(topic, partition, c)
			if err != nil {
				t.Fatal(err)
			}
			writeKeys(t, l, 10, "old")
			writeKeys(t, l, 10, "new")
			l.LastStable(l.LogEnd()) // the high watermark
			return l
		}
		records := func(l *Log) int { return strings.Count(contents(t, l), "=") }
		plain := open(0, Config{})
		young := open(1, Config{MinCompactionLag: 10 * time.Minute, AppendTime: true})
		early := open(2, Config{})
		early.mu.Lock()
		early.highWatermark = 5
		early.mu.Unlock()
		never := open(3, Config{})
		never.SetConfig(Config{})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if a, b, c, d := records(plain), records(young), records(early), records(never); a != 10 || b != 20 || c != 20 || d != 20 {
			t.Fatalf("%d, %d, %d and %d records are left, want 10 and 20 thrice\n%s", a, b, c, d, n.logs)
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if got := records(young); got != 10 {
			t.Fatalf("%d records are left after the lag", got)
		}

		writeKeys(t, plain, 3, "newest") // 3 in 13
		plain.LastStable(plain.LogEnd())
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := records(plain); got != 13 {
			t.Fatalf("%d records are left, it was compacted below the ratio", got)
		}
		plain.SetConfig(Config{Compact: true, MaxCompactionLag: time.Hour})
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := records(plain); got != 10 {
			t.Fatalf("%d records are left, the longest lag has passed", got)
		}
	})
}

// TestCleanerKeepsToItsRate has the cleaner read and write a megabyte at a megabyte a
// second, and closes the disk in the middle: it does not wait for the rest.
func TestCleanerKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		n := openDisk(t, fs, func(o *Options) { o.CleanerBytesPerSecond = 1 << 20 })
		l := openTestLog(t, n, Config{Compact: true})
		writeKeys(t, l, 16, strings.Repeat("v", 64<<10))
		writeKeys(t, l, 8, strings.Repeat("w", 64<<10))
		l.LastStable(l.LogEnd())
		time.Sleep(16 * time.Second) // a second after it has begun
		synctest.Wait()
		began := time.Now()
		if err := n.Close(1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Fatalf("closing took %v of the cleaner's time", took)
		}
		n = openDisk(t, fs, func(o *Options) { o.CleanerBytesPerSecond = 1 << 20 })
		l = openTestLog(t, n, Config{Compact: true})
		l.LastStable(l.LogEnd())
		began = time.Now()
		for i := 0; l.Size() > 1200<<10; i++ {
			if i == 400 {
				t.Fatal(l.Size(), n.logs)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		// 1.5 MB are read twice and 1 MB is written, after the first interval.
		if took := time.Since(began) - 15*time.Second; took < 3500*time.Millisecond || took > 5*time.Second {
			t.Fatalf("it took %v", took)
		}
		if names, err := fs.List(l.dir); err != nil || strings.Contains(fmt.Sprint(names), "cleaned") {
			t.Fatal(names, err)
		}
	})
}

// TestCleanBesideReadersAndWriters: whoever reads while segments are replaced sees
// offsets rise, values of a key never go back, and nothing that is not there.
func TestCleanBesideReadersAndWriters(t *testing.T) {
	const total, keys = 3000, 20
	n := openDisk(t, vfs.NewMem(), func(o *Options) { o.MaxOpenSegments = 2 })
	l := openTestLog(t, n, Config{SegmentBytes: 2000, IndexInterval: 200})
	stop := make(chan struct{})
	var wg, others sync.WaitGroup
	wg.Go(func() {
		for i := range total {
			h := record.Header{ProducerID: int64(i % 3), BaseSequence: int32(i / 3), Attributes: record.AttrTransactional}
			_, err := l.Append(keyed(h, fmt.Sprint("key-", i%keys), fmt.Sprint(i)), AppendOptions{})
			if err == nil && i%30 > 26 {
				c := record.Control{Marker: record.Marker(i / 30 % 2)}
				_, err = l.Append(record.ControlBatch(c, int64(i%3), 0, 1000), AppendOptions{Origin: Coordinator})
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	background := func(what func() error) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := what(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	background(func() error {
		_, err := l.Clean(t.Context(), time.Now(), l.Durable())
		return err
	})
	background(l.Checkpoint)
	for range 2 {
		background(func() error { return readForward(l, l.Durable()) })
		background(func() error {
			_, err := l.AbortedTransactions(0, l.Durable())
			if err == nil {
				_, _, err = l.OffsetForTimestamp(1000, l.Durable())
			}
			if err == nil {
				_, _, err = l.MaxTimestamp()
			}
			return err
		})
	}
	wg.Wait()
	if err := l.WaitDurable(t.Context(), l.LogEnd()); err != nil {
		t.Fatal(err)
	}
	if err := readForward(l, l.Durable()); err != nil {
		t.Fatal(err)
	}
	close(stop)
	others.Wait()
	if err := l.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// readForward reads a log from its start and checks the order of what it finds.
func readForward(l *Log, to int64) error {
	last := map[string]int{}
	next := int64(0)
	var r record.Reader
	for at := int64(0); at < to; {
		data, err := l.Read(at, 3000, to)
		if err != nil {
			return err
		}
		if len(data) == 0 {
			return nil
		}
		for ; len(data) > 0; data = data[r.Header().Size():] {
			if err := r.Reset(data); err != nil {
				return err
			}
			at = r.Header().LastOffset() + 1
			for rec := (record.Record{}); !r.Header().Control() && r.Next(&rec); next = rec.Offset + 1 {
				i, err := strconv.Atoi(string(bytes.Clone(rec.Value)))
				if err != nil || rec.Offset < next || i < last[string(rec.Key)] {
					return fmt.Errorf("offset %d after %d: %s=%s after %d", rec.Offset, next, rec.Key, rec.Value, last[string(rec.Key)])
				}
				last[string(rec.Key)] = i
			}
		}
	}
	return nil
}

// TestCleanLetsReadersFinish: a reader has opened a segment, with its index, when a
// compaction replaces it and two more, and then reads to its end.
func TestCleanLetsReadersFinish(t *testing.T) {
	fs := vfs.NewMem()
	l := openTestLog(t, openDisk(t, fs, func(o *Options) { o.MaxOpenSegments = 1 }), Config{IndexInterval: 1})
	for i := range 3 {
		writeKeys(t, l, 5, fmt.Sprint(i))
	}
	v, err := l.view(7, 10, false)
	if err != nil {
		t.Fatal(err)
	}
	mustClean(t, l, time.Now())
	if got := strings.Count(contents(t, l), "="); got != 5 || len(l.segments) != 2 {
		t.Fatalf("%d records in %d segments", got, len(l.segments))
	}
	data, next, err := v.read(7, 10_000, 10)
	if err != nil || next != 7 {
		t.Fatal(err, next)
	}
	h, err := record.Check(data, record.Limits{})
	if err != nil || h.BaseOffset != 7 || len(data) != 3*h.Size() {
		t.Fatalf("%+v %v, %d bytes", h, err, len(data))
	}
	v.release()
	if n := len(l.disk.handles.bySeg); n > 1 {
		t.Fatalf("%d segments are open", n)
	}
}
