package storage

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// TestTimesAgainstAList compares lookups by time with a walk over all timestamps,
// which go up and down.
func TestTimesAgainstAList(t *testing.T) {
	rng := randomSource(t)
	for _, codec := range []record.Codec{record.None, record.Snappy} {
		n := openDisk(t, vfs.NewMem())
		config := Config{SegmentBytes: 700, IndexInterval: 150}
		l := openTestLog(t, n, config)
		var times []int64
		var b record.Builder
		for range 80 {
			b.Reset()
			for range 1 + rng.IntN(4) {
				ms := int64(len(times)*3) + rng.Int64N(60)
				times = append(times, ms)
				b.Append(ms, nil, []byte("some value that can be compressed, compressed"), nil)
			}
			h := record.Plain()
			h.Attributes = int16(codec)
			mustAppend(t, l, b.Finish(h))
		}
		for _, start := range []int64{0, 37, int64(len(times)) - 3} {
			if _, err := l.DeleteRecords(start); err != nil {
				t.Fatal(err)
			}
			checkTimes(t, l, times, start, rng)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openTestLog(t, n, config)
			checkTimes(t, l, times, start, rng)
		}
	}
}

func checkTimes(t *testing.T, l *Log, times []int64, start int64, rng *rand.Rand) {
	t.Helper()
	end := int64(len(times))
	for range 60 {
		ms, upTo := rng.Int64N(3*end+70), start+rng.Int64N(end-start+1)
		want, wantOK := int64(0), false
		for offset := start; offset < upTo && !wantOK; offset++ {
			want, wantOK = offset, times[offset] >= ms
		}
		at, ok, err := l.OffsetForTimestamp(ms, upTo)
		if err != nil || ok != wantOK || ok && (at.Offset != want || at.TimestampMs != times[want]) {
			t.Fatalf("first of %d up to %d: %+v %v %v, want %d %v", ms, upTo, at, ok, err, want, wantOK)
		}
	}
	best := start
	for offset := start; offset < end; offset++ {
		if times[offset] > times[best] {
			best = offset
		}
	}
	at, ok, err := l.MaxTimestamp()
	if err != nil || !ok || at.Offset != best || at.TimestampMs != times[best] {
		t.Fatalf("highest: %+v %v %v, want %d at %d", at, ok, err, times[best], best)
	}
}

func TestTimesOfAnEmptyLog(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	if _, ok, err := l.MaxTimestamp(); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := l.OffsetForTimestamp(0, math.MaxInt64); ok || err != nil {
		t.Fatal(ok, err)
	}
	mustAppend(t, l, batchOf(record.Plain(), -1, "no timestamp"))
	if _, ok, err := l.MaxTimestamp(); ok || err != nil {
		t.Fatal(ok, err)
	}
}

// openHook calls hook when a segment is opened for reading.
type openHook struct {
	vfs.FS
	hook func()
}

func (o *openHook) Open(name string) (vfs.File, error) {
	if hook := o.hook; hook != nil && strings.HasSuffix(name, logSuffix) {
		o.hook = nil
		hook()
	}
	return o.FS.Open(name)
}

// TestMaxTimestampWhileRecordsCome: who asked for the latest record of a busy partition
// was cut off, with a slice out of its bounds in the node's log: the segment's size was
// noted first and its index later, when the index named a batch behind that size.
func TestMaxTimestampWhileRecordsCome(t *testing.T) {
	for _, more := range []int{1, 2, 20} {
		disk := &openHook{FS: vfs.NewMem()}
		l := openTestLog(t, openDisk(t, disk), Config{IndexInterval: 1})
		mustAppend(t, l, batchOf(record.Plain(), 100, "first"))
		disk.hook = func() {
			for i := range more {
				mustAppend(t, l, batchOf(record.Plain(), int64(101+i), "more"))
			}
		}
		at, ok, err := l.MaxTimestamp()
		if err != nil || !ok || at.Offset != int64(more) || at.TimestampMs != int64(100+more) {
			t.Errorf("%d more: %+v %v %v", more, at, ok, err)
		}
		disk.hook = nil
	}
}
