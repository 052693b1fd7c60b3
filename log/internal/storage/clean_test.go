package storage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// pair is a record to be written: key and value, "-" for a tombstone.
func keyed(h record.Header, pairs ...string) []byte {
	var b record.Builder
	for i := 0; i < len(pairs); i += 2 {
		value := []byte(pairs[i+1])
		if pairs[i+1] == "-" {
			value = nil
		}
		b.Append(1000+int64(i), []byte(pairs[i]), value, nil)
	}
	return bytes.Clone(b.Finish(h))
}

func txnHeader(pid int64, seq int32) record.Header {
	return record.Header{ProducerID: pid, BaseSequence: seq, Attributes: record.AttrTransactional}
}

// contents is what a log holds, batch by batch: offsets and records, E for an envelope,
// C and A for markers, H where there is a delete horizon.
func contents(t *testing.T, l *Log) string {
	t.Helper()
	var out []string
	var r record.Reader
	for from, end := l.LogStart(), l.LogEnd(); from < end; {
		data, err := l.Read(from, 1<<20, end)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			break
		}
		for ; len(data) > 0; data = data[r.Header().Size():] {
			h, err := record.Check(data, record.Limits{Sparse: true})
			if err == nil {
				err = r.Reset(data)
			}
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			fmt.Fprint(&text, h.BaseOffset, "-", h.LastOffset(), ":")
			if h.Control() {
				c, err := record.ParseControl(data)
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString(map[record.Marker]string{record.Commit: "C", record.Abort: "A"}[c.Marker])
			} else if h.Count == 0 {
				text.WriteString("E")
			}
			if _, ok := h.DeleteHorizon(); ok {
				text.WriteString("H")
			}
			for rec := (record.Record{}); !h.Control() && r.Next(&rec); {
				value := string(rec.Value)
				if rec.Value == nil {
					value = "-"
				}
				fmt.Fprintf(&text, " %d:%s=%s", rec.Offset, rec.Key, value)
			}
			out = append(out, text.String())
			from = h.LastOffset() + 1
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func rollNow(t *testing.T, l *Log) {
	t.Helper()
	l.writing.lock()
	err := l.roll()
	l.writing.unlock()
	if err != nil {
		t.Fatal(err)
	}
	durable(t, l, l.LogEnd())
	if err := l.Checkpoint(); err != nil { // also syncs what was finished
		t.Fatal(err)
	}
}

func mustClean(t *testing.T, l *Log, now time.Time) CleanStats {
	t.Helper()
	stats, err := l.Clean(t.Context(), now, l.LogEnd())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func expectDump(t *testing.T, l *Log, want string) {
	t.Helper()
	if got := contents(t, l); got != strings.ReplaceAll(want[1:], "\t", "") {
		t.Fatalf("the log holds\n%s\nwant%s", got, strings.ReplaceAll(want, "\t", ""))
	}
}

func TestCleanKeepsTheLastOfEachKey(t *testing.T) {
	fs := vfs.NewMem()
	n := openDisk(t, fs)
	l := openTestLog(t, n, Config{Compact: true})
	mustAppend(t, l, keyed(record.Plain(), "a", "1", "b", "1"))
	mustAppend(t, l, keyed(record.Plain(), "a", "2"))
	mustAppend(t, l, keyed(record.Plain(), "c", "1", "a", "3", "d", "1"))
	rollNow(t, l)
	mustAppend(t, l, keyed(record.Plain(), "b", "2"))
	mustAppend(t, l, keyed(record.Plain(), "d", "2"))
	rollNow(t, l)
	mustAppend(t, l, keyed(record.Plain(), "c", "2")) // in the last segment, which is left alone
	now := time.Now()
	mustClean(t, l, now)
	want := `
		3-5: 3:c=1 4:a=3
		6-6: 6:b=2
		7-7: 7:d=2
		8-8: 8:c=2
	`
	expectDump(t, l, want)
	if got := len(l.segments); got != 2 {
		t.Fatalf("%d segments, the small ones should be one", got)
	}
	if stats := mustClean(t, l, now); stats.Passes != 0 {
		t.Fatalf("nothing is dirty: %+v", stats)
	}
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	l = openTestLog(t, openDisk(t, fs), Config{Compact: true})
	expectDump(t, l, want)
	if r := l.Recovery(); r.Scanned != 0 || len(r.Rebuilt) != 0 {
		t.Fatalf("%+v", r)
	}
	if stats := mustClean(t, l, now); stats.Passes != 0 {
		t.Fatalf("the first dirty offset was forgotten: %+v", stats)
	}
}

func TestCleanTombstonesUntilTheirHorizon(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{Compact: true, DeleteRetention: time.Hour})
	mustAppend(t, l, keyed(record.Plain(), "a", "1", "b", "1"))
	mustAppend(t, l, keyed(record.Plain(), "a", "-"))
	rollNow(t, l)
	now := time.Now()
	mustClean(t, l, now)
	expectDump(t, l, `
		0-1: 1:b=1
		2-2:H 2:a=-
	`)
	later := func(after time.Duration, want string) {
		t.Helper()
		mustAppend(t, l, keyed(record.Plain(), "x", after.String()))
		rollNow(t, l)
		mustClean(t, l, now.Add(after))
		expectDump(t, l, want)
	}
	later(59*time.Minute, `
		0-1: 1:b=1
		2-2:H 2:a=-
		3-3: 3:x=59m0s
	`)
	later(61*time.Minute, `
		0-1: 1:b=1
		4-4: 4:x=1h1m0s
	`)
}

// TestCleanTransactions: aborted records go at once, their marker when nothing of
// them is left and its horizon has passed; of a producer the last batch and its
// sequence stay, without records; an open transaction holds back what follows it.
func TestCleanTransactions(t *testing.T) {
	fs := vfs.NewMem()
	n := openDisk(t, fs)
	c := Config{Compact: true, DeleteRetention: time.Hour}
	l := openTestLog(t, n, c)
	mustAppend(t, l, keyed(txnHeader(1, 0), "a", "1", "b", "1"))
	mustAppend(t, l, keyed(txnHeader(2, 0), "a", "aborted", "z", "aborted"))
	mustMark(t, l, record.Commit, 1, 0, 5)
	mustMark(t, l, record.Abort, 2, 0, 5)
	mustAppend(t, l, keyed(txnHeader(1, 2), "a", "2", "b", "2"))
	mustMark(t, l, record.Commit, 1, 0, 5)
	rollNow(t, l)
	now := time.Now()
	mustClean(t, l, now)
	expectDump(t, l, `
		2-3:E
		4-4:C
		5-5:A
		6-7: 6:a=2 7:b=2
		8-8:C
	`)
	aborted, err := l.AbortedTransactions(0, l.LogEnd())
	if err != nil || len(aborted) != 1 {
		t.Fatalf("%v %v: the marker is there, so is the entry", aborted, err)
	}
	mustAppend(t, l, keyed(txnHeader(2, 2), "z", "1"))
	mustMark(t, l, record.Commit, 2, 0, 5)
	rollNow(t, l)
	mustClean(t, l, now) // the first commit has lost its data before this pass, the abort in it
	expectDump(t, l, `
		4-4:CH
		5-5:A
		6-7: 6:a=2 7:b=2
		8-8:C
		9-9: 9:z=1
		10-10:C
	`)
	mustAppend(t, l, keyed(txnHeader(3, 0), "y", "open"))
	rollNow(t, l)
	mustAppend(t, l, keyed(record.Plain(), "a", "3"))
	rollNow(t, l)
	if stats := mustClean(t, l, now.Add(2*time.Hour)); stats.Passes != 0 {
		t.Fatalf("cleaned beyond an open transaction: %+v", stats)
	}
	mustMark(t, l, record.Commit, 3, 0, 5)
	rollNow(t, l)
	mustClean(t, l, now.Add(2*time.Hour))
	expectDump(t, l, `
		5-5:AH
		6-7: 7:b=2
		8-8:C
		9-9: 9:z=1
		10-10:C
		11-11: 11:y=open
		12-12: 12:a=3
		13-13:C
	`)
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	removeCaches(t, fs)
	l = openTestLog(t, openDisk(t, fs), c)
	for pid, seq := range map[int64]int32{1: 4, 2: 3, 3: 1} {
		if _, err := l.Append(keyed(txnHeader(pid, seq+1), "q", "gap"), AppendOptions{}); !errors.Is(err, ErrOutOfOrderSequence) {
			t.Fatalf("producer %d: %v", pid, err)
		}
		mustAppend(t, l, keyed(txnHeader(pid, seq), "q", "next"))
	}
}

// removeCaches removes everything that recovery can do without.
func removeCaches(t *testing.T, fs *vfs.Mem) {
	t.Helper()
	dir := "/data/" + topicsDir + "/" + TopicPartition{topic, 0}.String()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, logSuffix) && !slices.Contains([]string{epochsFile, startFile}, name) {
			if err := fs.Remove(dir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCleanInSeveralPasses: the map has room for a few keys only.
func TestCleanInSeveralPasses(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem(), func(o *Options) { o.CleanerMemory = 1 }), Config{Compact: true, SegmentBytes: 30_000})
	last := map[string]int64{}
	for i := range 4000 {
		key := fmt.Sprint("key-", i*7%1900)
		last[key] = mustAppend(t, l, keyed(record.Plain(), key, fmt.Sprint(i))).LastOffset
	}
	rollNow(t, l)
	stats := mustClean(t, l, time.Now())
	if stats.Passes < 3 {
		t.Fatalf("%+v: the map has %d slots", stats, mapFirst)
	}
	if got := strings.Count(contents(t, l), "="); got != len(last) {
		t.Fatalf("%d records of %d keys are left", got, len(last))
	}
}

func TestCleanRemovesKeylessRecords(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	mustAppend(t, l, plainBatch("no", "key"))
	mustAppend(t, l, keyed(record.Plain(), "a", "1"))
	rollNow(t, l)
	if stats := mustClean(t, l, time.Now()); stats.Keyless != 2 || stats.Removed != 2 {
		t.Fatalf("%+v", stats)
	}
	expectDump(t, l, `
		2-2: 2:a=1
	`)
}

// TestCleanLeavesCleanSegmentsAlone: a segment without anything to remove is not
// written.
func TestCleanLeavesCleanSegmentsAlone(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{SegmentBytes: 200})
	for i := range 6 {
		mustAppend(t, l, keyed(record.Plain(), fmt.Sprint("key-", i), strings.Repeat("v", 80)))
	}
	rollNow(t, l)
	if stats := mustClean(t, l, time.Now()); stats.Passes != 1 || stats.WrittenBytes != 0 || stats.ReadBytes == 0 {
		t.Fatalf("%+v", stats)
	}
}

// TestCleanOnAFullDisk: compaction leaves alone what is kept for the node, and if it
// is wrong about the room, it leaves the old segments and nothing else.
func TestCleanOnAFullDisk(t *testing.T) {
	for _, reserve := range []uint64{1, 64 << 10} {
		fs := vfs.NewMem()
		n := openDisk(t, fs, func(o *Options) { o.MinFreeBytes = reserve })
		l := openTestLog(t, n, Config{})
		for i := range 40 {
			mustAppend(t, l, keyed(record.Plain(), fmt.Sprint("key-", i%20), strings.Repeat("v", 1000)))
		}
		rollNow(t, l)
		want := contents(t, l)
		fs.Limit(fs.Used() + 70<<10)
		if reserve == 1 {
			fs.Inject(func(op vfs.Op, name string) error { // somebody else is faster
				if op == vfs.OpWrite && strings.HasSuffix(name, cleanedSuffix) {
					return syscall.ENOSPC
				}
				return nil
			})
		}
		if _, err := l.Clean(t.Context(), time.Now(), l.LogEnd()); !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		fs.Inject(nil)
		names, err := fs.List(l.dir)
		if err != nil || strings.Contains(fmt.Sprint(names), "cleaned") || n.Err() != nil {
			t.Fatal(names, err, n.Err())
		}
		if got := contents(t, l); got != want {
			t.Fatal(got)
		}
		fs.Limit(0)
		mustClean(t, l, time.Now())
		if got := strings.Count(contents(t, l), "="); got != 20 {
			t.Fatalf("%d records are left", got)
		}
	}
}
