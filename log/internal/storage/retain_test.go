package storage

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// segmented is a log with two records of a time in each segment.
func segmented(t *testing.T, c Config, times ...int64) (*vfs.Mem, *node, *Log) {
	t.Helper()
	m := vfs.NewMem()
	n := openDisk(t, m)
	c.SegmentBytes = 1
	l := openTestLog(t, n, c)
	for _, ms := range times {
		mustAppend(t, l, batchOf(record.Plain(), ms, "a", "b"))
	}
	durable(t, l, l.LogEnd())
	return m, n, l
}

func TestRetentionBySize(t *testing.T) {
	size := int64(len(plainBatch("a", "b")))
	_, _, l := segmented(t, Config{RetentionBytes: 3 * size}, 1, 2, 3, 4, 5)
	if err := l.Retain(time.Now(), 2); err != nil { // the high watermark holds the rest back
		t.Fatal(err)
	}
	if l.LogStart() != 2 || l.Size() != 4*size {
		t.Fatal(l.LogStart(), l.Size())
	}
	if err := l.Retain(time.Now(), 10); err != nil {
		t.Fatal(err)
	}
	if l.LogStart() != 4 || l.Size() != 3*size {
		t.Fatal(l.LogStart(), l.Size())
	}
	if _, err := l.Read(3, 100, 10); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatal(err)
	}
	if got := values(t, l, 4, 10); len(got) != 6 {
		t.Fatal(got)
	}
}

// TestRetentionByTime: old segments go, up to the first that is not old; a
// timestamp from the future does not keep a segment for ever; the last segment
// goes too once it is old, and offsets go on.
func TestRetentionByTime(t *testing.T) {
	now := time.Now()
	old, future := now.Add(-2*time.Hour).UnixMilli(), now.Add(1000*time.Hour).UnixMilli()
	m, n, l := segmented(t, Config{RetentionAge: time.Hour}, old, old, future, old, now.UnixMilli())
	for i, step := range []struct {
		now  time.Time
		want int64
	}{{now, 4}, {now.Add(time.Minute), 4}, {now.Add(2 * time.Hour), 10}} {
		if err := l.Retain(step.now, l.LogEnd()); err != nil {
			t.Fatal(err)
		}
		if l.LogStart() != step.want {
			t.Fatalf("step %d: starts at %d, want %d", i, l.LogStart(), step.want)
		}
	}
	if ticket := mustAppend(t, l, plainBatch("x")); ticket.BaseOffset != 10 {
		t.Fatal(ticket)
	}
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	if l = openTestLog(t, openDisk(t, m), Config{}); l.LogStart() != 10 || l.LogEnd() != 11 {
		t.Fatal(l.LogStart(), l.LogEnd())
	}
}

func TestDeleteRecords(t *testing.T) {
	m, n, l := segmented(t, Config{}, 1, 2, 3, 4)
	for _, c := range []struct{ before, want int64 }{{3, 3}, {1, 3}, {8, 8}} {
		if got, err := l.DeleteRecords(c.before); got != c.want || err != nil {
			t.Fatal(got, err)
		}
	}
	for _, before := range []int64{9, -1} {
		if _, err := l.DeleteRecords(before); !errors.Is(err, ErrOffsetOutOfRange) {
			t.Fatalf("%d: %v", before, err)
		}
	}
	if data, err := l.Read(8, 100, 8); len(data) != 0 || err != nil {
		t.Fatal(data, err)
	}
	mustAppend(t, l, plainBatch("x"))
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	if l = openTestLog(t, openDisk(t, m), Config{}); l.LogStart() != 8 || l.LogEnd() != 9 {
		t.Fatal(l.LogStart(), l.LogEnd())
	}
}

// TestDeletedRecordsFreeTheirSpace: on a full disk an operator deleted all records of
// the largest topic, and the disk stayed full: the last segment was replaced a minute
// later, but nothing removed the one before, since the log's start had been raised
// already when it was still the last.
func TestDeletedRecordsFreeTheirSpace(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("a", "b"))
	durable(t, l, l.LogEnd())
	if start, err := l.DeleteRecords(2); start != 2 || err != nil {
		t.Fatal(start, err)
	}
	if err := l.Retain(time.Now(), 1); err != nil { // what is not committed may still be truncated
		t.Fatal(err)
	}
	if l.Size() == 0 {
		t.Error("a segment above the high watermark has gone")
	}
	if err := l.Retain(time.Now(), 2); err != nil {
		t.Fatal(err)
	}
	if l.Size() != 0 || l.LogStart() != 2 || l.LogEnd() != 2 {
		t.Errorf("%d bytes are kept of a log from %d to %d", l.Size(), l.LogStart(), l.LogEnd())
	}
	mustAppend(t, l, plainBatch("c"))
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	if l = openTestLog(t, openDisk(t, m), Config{}); l.LogStart() != 2 || l.LogEnd() != 3 {
		t.Error(l.LogStart(), l.LogEnd())
	}
}

// TestOldSegmentIsClosed: a segment does not stay the last one longer than its age.
func TestOldSegmentIsClosed(t *testing.T) {
	m := vfs.NewMem()
	l := openTestLog(t, openDisk(t, m), Config{SegmentAge: time.Hour})
	mustAppend(t, l, plainBatch("x"))
	if err := l.Retain(time.Now().Add(2*time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	names, err := m.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names); got != "[00000000000000000000.log 00000000000000000001.log leader-epochs]" {
		t.Fatal(got)
	}
	if l.LogStart() != 0 || l.LogEnd() != 1 {
		t.Fatal("records went")
	}
}

// TestProducersOutliveTheirRecords: what a producer wrote last is known after all
// its records were deleted, also after a crash, or a repeated batch would be taken
// for a new one.
func TestProducersOutliveTheirRecords(t *testing.T) {
	m := vfs.NewMem()
	l := openTestLog(t, openDisk(t, m), Config{SegmentBytes: 1})
	mustAppend(t, l, producerBatch(9, 0, 0, false, "x"))
	mustAppend(t, l, plainBatch("y"))
	durable(t, l, 2)
	if _, err := l.DeleteRecords(1); err != nil {
		t.Fatal(err)
	}
	l = openTestLog(t, openDisk(t, m.CrashClone(randomSource(t))), Config{})
	if ticket := mustAppend(t, l, producerBatch(9, 0, 0, false, "x")); !ticket.Duplicate || ticket.BaseOffset != 0 {
		t.Fatalf("%+v", ticket)
	}
}
