package storage

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

const testDir = "/data/topics/aa010203-0405-0607-0809-0a0b0c0d0e0f/0/"

// written is a disk with a log of batches, closed cleanly.
func written(t *testing.T, batches int) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{SegmentBytes: 1000, IndexInterval: 200})
	for i := range batches {
		mustAppend(t, l, plainBatch(fmt.Sprint("value ", i)))
	}
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	return m
}

func addBytes(t *testing.T, m *vfs.Mem, name string, b []byte) {
	t.Helper()
	f, err := m.OpenAppend(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

func flipAt(t *testing.T, m *vfs.Mem, name string, at int) {
	t.Helper()
	b, err := vfs.ReadFile(m, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0x40
	if err := vfs.WriteFile(m, name, b); err != nil {
		t.Fatal(err)
	}
}

func lastSegment(t *testing.T, m *vfs.Mem) string {
	t.Helper()
	names, err := m.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, name := range names {
		if strings.HasSuffix(name, logSuffix) {
			last = name
		}
	}
	return testDir + last
}

// TestTornTailGoesToQuarantine appends what a crash may leave behind the last
// whole batch.
func TestTornTailGoesToQuarantine(t *testing.T) {
	whole := plainBatch("whole")
	whole[7] = 30 // base offset
	flipped := bytes.Clone(whole)
	flipped[70] ^= 1
	backwards := bytes.Clone(whole)
	backwards[7] = 29
	for name, c := range map[string]struct {
		tail []byte
		kept int64 // records of the tail that are whole
	}{
		"half a batch":          {whole[:50], 0},
		"half a header":         {whole[:5], 0},
		"zeros":                 {make([]byte, 5000), 0},
		"a flipped bit":         {flipped, 0},
		"an offset used before": {backwards, 0},
		"a whole one and half":  {append(bytes.Clone(whole), whole[:70]...), 1},
		"a whole one":           {whole, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := written(t, 30)
			addBytes(t, m, lastSegment(t, m), c.tail)
			n := openDisk(t, m)
			l := openTestLog(t, n, Config{})
			if l.LogEnd() != 30+c.kept {
				t.Fatalf("ends at %d", l.LogEnd())
			}
			r := l.Recovery()
			cut := len(c.tail) - int(c.kept)*len(whole)
			if r.CutBytes != int64(cut) || r.Scanned != c.kept*int64(len(whole)) {
				t.Fatalf("%+v", r)
			}
			if cut > 0 {
				kept, err := vfs.ReadFile(m, r.Kept[0], 1<<20)
				if err != nil || !bytes.Equal(kept, c.tail[len(c.tail)-cut:]) {
					t.Fatalf("in quarantine: %d bytes, %v", len(kept), err)
				}
				if !strings.Contains(n.logs.String(), "cut off") {
					t.Fatalf("not reported: %s", n.logs)
				}
			}
			mustAppend(t, l, plainBatch("goes on"))
			if err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDamageBelowDurableRefusesTheLog damages what recovery knows to be durable.
// The log does not open, and nothing on disk changes.
func TestDamageBelowDurableRefusesTheLog(t *testing.T) {
	remove := func(name string) func(*testing.T, *vfs.Mem) {
		return func(t *testing.T, m *vfs.Mem) {
			if err := m.Remove(testDir + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, *vfs.Mem){
		"last segment cut": func(t *testing.T, m *vfs.Mem) {
			f, err := m.OpenAppend(lastSegment(t, m))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(100); err != nil {
				t.Fatal(err)
			}
		},
		"first segment gone": remove("00000000000000000000.log"),
		"all segments gone": func(t *testing.T, m *vfs.Mem) {
			names, _ := m.List(testDir)
			for _, name := range names {
				if strings.HasSuffix(name, logSuffix) {
					remove(name)(t, m)
				}
			}
		},
		"leader epochs": func(t *testing.T, m *vfs.Mem) {
			flipAt(t, m, testDir+epochsFile, frameHeader) // in the version it would be a newer format
		},
		"log start": func(t *testing.T, m *vfs.Mem) {
			if err := vfs.WriteFile(m, testDir+startFile, []byte("rubbish")); err != nil {
				t.Fatal(err)
			}
		},
		"no checkpoint, flipped bit": func(t *testing.T, m *vfs.Mem) {
			remove(checkpointFile)(t, m)
			remove("00000000000000000000.index")(t, m)
			flipAt(t, m, testDir+"00000000000000000000.log", 300)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := written(t, 30)
			damage(t, m)
			before := tree(t, m, "/data/topics")
			n := openDisk(t, m)
			_, err := n.OpenLog(topic, 0, Config{})
			var damaged *CorruptError
			if !errors.Is(err, ErrCorrupt) || !errors.As(err, &damaged) || strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			if after := tree(t, m, "/data/topics"); after != before {
				t.Fatalf("%v\nbefore\n%s\nafter\n%s", err, before, after)
			}
			if n.Err() != nil {
				t.Fatal("the disk is not at fault", n.Err())
			}
		})
	}
}

// TestFlippedBitIsFound flips a bit in every segment but leaves the caches: the
// log opens, because nothing is read; whoever reads there finds out, and the log
// is out of service from then on.
func TestFlippedBitIsFound(t *testing.T) {
	m := written(t, 30)
	flipAt(t, m, testDir+"00000000000000000000.log", 8+len(plainBatch("value 0"))) // the length of the second batch
	for _, find := range []func(*Log) error{
		func(l *Log) error { return l.Verify(t.Context()) },
		func(l *Log) error { _, err := l.Read(0, 10_000, 30); return err },
		func(l *Log) error { _, err := l.Read(1, 10_000, 30); return err },
		func(l *Log) error { _, err := l.Clean(t.Context(), time.Now(), l.LogEnd()); return err },
	} {
		clone := m.CrashClone(randomSource(t))
		n := openDisk(t, clone)
		l := openTestLog(t, n, Config{})
		if err := find(l); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if _, err := clone.Stat(testDir + "00000000000000000000.log"); err != nil {
			t.Fatal("it was moved", err)
		}
		if n.Err() != nil {
			t.Fatal(n.Err())
		}
	}
}

// TestFlippedBitInARecordIsFound: a user's consumer that does not verify checksums
// got a changed value, because reading looked at headers only. What this process has
// not appended itself is checked whenever it is read.
func TestFlippedBitInARecordIsFound(t *testing.T) {
	for _, name := range []string{"00000000000000000000.log", ""} {
		m := written(t, 30)
		file := testDir + name
		if name == "" {
			file = lastSegment(t, m)
		}
		flipAt(t, m, file, len(plainBatch("value 0"))-2)
		n := openDisk(t, m)
		l := openTestLog(t, n, Config{})
		base, _, _ := parseSegmentName(path.Base(file))
		if data, err := l.Read(base, 10_000, 30); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: read %d bytes, %v", file, len(data), err)
		}
		if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Fatal("the log is still in service", err)
		}
	}
}

// TestDamagedCachesAreRebuilt flips a bit in each cache file in turn, or makes it
// one of a newer version.
func TestDamagedCachesAreRebuilt(t *testing.T) {
	want := ""
	for _, name := range []string{
		"", checkpointFile, "00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000013.snapshot",
	} {
		for _, newer := range []bool{false, true} {
			m := written(t, 30)
			if name != "" {
				b, err := vfs.ReadFile(m, testDir+name, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if newer {
					b[13] = 9
				} else {
					b[len(b)-1] ^= 1
				}
				if err := vfs.WriteFile(m, testDir+name, b); err != nil {
					t.Fatal(err)
				}
			}
			n := openDisk(t, m)
			l := openTestLog(t, n, Config{SegmentBytes: 1000, IndexInterval: 200})
			got := fmt.Sprint(values(t, l, 0, 30), describe(l))
			if want == "" {
				want = got
			}
			if got != want {
				t.Fatalf("%s: %s\nwant %s", name, got, want)
			}
			if name == "" || strings.HasSuffix(name, snapshotSuffix) {
				continue // a snapshot is only read without a checkpoint
			}
			kept, err := m.List("/data/quarantine")
			if err != nil || len(kept) != 1 || !strings.HasSuffix(kept[0], name) {
				t.Fatalf("%s: in quarantine %v, %v", name, kept, err)
			}
		}
	}
}

// TestMissingEndOfSegmentCutsTheNext: a crash may keep the entry of the newest
// segment and lose the end of the one before.
func TestMissingEndOfSegmentCutsTheNext(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{SegmentBytes: 300})
	for i := range 4 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i)))
		durable(t, l, int64(i+1))
	}
	first := testDir + segmentName(0) + logSuffix
	info, err := m.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	after := m.CrashClone(randomSource(t))
	f, err := after.OpenAppend(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() / 2); err != nil {
		t.Fatal(err)
	}
	l = openTestLog(t, openDisk(t, after), Config{})
	if l.LogEnd() >= 4 {
		t.Fatalf("ends at %d", l.LogEnd())
	}
	mustAppend(t, l, plainBatch("goes on"))
	if err := l.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownFilesAreLeftAlone(t *testing.T) {
	m := written(t, 3)
	if err := vfs.WriteFile(m, testDir+"notes", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(m, testDir+checkpointFile+vfs.TempSuffix, []byte("unfinished")); err != nil {
		t.Fatal(err)
	}
	n := openDisk(t, m)
	openTestLog(t, n, Config{})
	if _, err := m.Stat(testDir + "notes"); err != nil || !strings.Contains(n.logs.String(), "notes") {
		t.Fatal(err, n.logs)
	}
	if _, err := m.Stat(testDir + checkpointFile + vfs.TempSuffix); err == nil {
		t.Fatal("an unfinished file was left")
	}
}

// TestRecoveryReadsOnlyTheTail counts the bytes behind a checkpoint.
func TestRecoveryReadsOnlyTheTail(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	for range 100 {
		mustAppend(t, l, plainBatch("before"))
	}
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	tail := 0
	for range 3 {
		batch := plainBatch("after")
		mustAppend(t, l, batch)
		tail += len(batch)
	}
	durable(t, l, 103)
	after := openTestLog(t, openDisk(t, m.CrashClone(randomSource(t))), Config{})
	if got := after.Recovery().Scanned; got != int64(tail) || after.LogEnd() != 103 {
		t.Fatalf("read %d bytes, the tail has %d", got, tail)
	}
	after = openTestLog(t, openDisk(t, m.CrashClone(randomSource(t))), Config{})
	if after.LogEnd() != 103 {
		t.Fatal(after.LogEnd())
	}
}
