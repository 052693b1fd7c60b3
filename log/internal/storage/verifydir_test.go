package storage

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// everything is a disk with all kinds of files: finished and compacted segments,
// producers, an aborted transaction, epochs.
func everything(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{SegmentBytes: 700, IndexInterval: 100})
	for i := range 60 {
		mustAppend(t, l, keyed(txnHeader(1, int32(i)), fmt.Sprint("key-", i%7), fmt.Sprint("value ", i)))
		if i%10 == 9 {
			mustMark(t, l, record.Marker(i/10%2), 1, 0, 1)
		}
	}
	durable(t, l, l.LogEnd())
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	mustClean(t, l, time.Now())
	for i := range 20 {
		mustAppend(t, l, keyed(record.Plain(), fmt.Sprint("key-", i%3), "again"))
	}
	if _, err := l.DeleteRecords(1); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	return m
}

func mustVerify(t *testing.T, m *vfs.Mem) VerifyReport {
	t.Helper()
	r, err := VerifyDir(t.Context(), m, "/data")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyDirWithoutDamage(t *testing.T) {
	m := everything(t)
	r := mustVerify(t, m)
	if len(r.Findings) > 0 || r.Partitions != 1 || r.Segments < 3 || r.Batches < 20 || r.Bytes < 1500 {
		t.Fatalf("%+v", r)
	}
	held, err := m.Lock("/data/" + lockFile)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := VerifyDir(t.Context(), m, "/data"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "stop the node") {
		t.Fatal(err)
	}
	if _, err := VerifyDir(t.Context(), m, "/elsewhere"); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
}

// TestVerifyDirFindsEveryFlippedBit flips a bit in every file, at several places,
// and leaves nothing else behind than what was there.
func TestVerifyDirFindsEveryFlippedBit(t *testing.T) {
	m := everything(t)
	names, err := m.List(testDir[:len(testDir)-1])
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"/data/" + nodeFile}
	suffixes := map[string]bool{}
	for _, name := range names {
		files = append(files, testDir+name)
		suffixes[path.Ext(name)] = true
	}
	for _, want := range []string{logSuffix, indexSuffix, timesSuffix, abortedSuffix, snapshotSuffix} {
		if !suffixes[want] {
			t.Fatalf("no %s among %v", want, names)
		}
	}
	rng := randomSource(t)
	for _, file := range files {
		info, err := m.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 {
			continue
		}
		for range 6 {
			clone := m.CrashClone(rng)
			at := rng.IntN(int(info.Size()))
			if strings.HasSuffix(file, logSuffix) && at%70 < 16 {
				at += 20 // base offset and leader epoch are outside of the checksum
			}
			if at >= int(info.Size()) {
				continue
			}
			flipAt(t, clone, file, at)
			writes := 0
			clone.Inject(func(op vfs.Op, name string) error {
				if op.Changes() {
					writes++
				}
				return nil
			})
			r := mustVerify(t, clone)
			if r.Damage() == 0 && !outsideChecksum(t, clone, file, at) {
				t.Fatalf("byte %d of %s: %+v", at, file, r)
			}
			kind := CacheDamaged
			if s := path.Base(file); strings.HasSuffix(s, logSuffix) || s == nodeFile || s == epochsFile || s == startFile {
				kind = Damaged
			}
			for _, f := range r.Findings {
				if f.Kind != kind && kind == CacheDamaged || f.What == "" || f.Do == "" {
					t.Fatalf("byte %d of %s: %+v", at, file, f)
				}
			}
			if writes > 0 {
				t.Fatalf("%d changes of a disk that is only looked at", writes)
			}
		}
	}
}

// outsideChecksum says whether a byte of a segment is one that a batch's checksum
// does not cover: base offset, where a change may leave the offsets rising, and epoch.
func outsideChecksum(t *testing.T, m *vfs.Mem, file string, at int) bool {
	t.Helper()
	b, err := vfs.ReadFile(m, file, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for pos := 0; strings.HasSuffix(file, logSuffix) && pos+record.HeaderSize <= len(b); {
		if at-pos < 16 {
			return at-pos >= 0
		}
		h, err := record.ParseHeader(b[pos:])
		if err != nil {
			return false
		}
		pos += h.Size()
	}
	return false
}

// TestVerifyDirTellsACrashFromDamage: the torn end of a killed node is none.
func TestVerifyDirTellsACrashFromDamage(t *testing.T) {
	m := everything(t)
	addBytes(t, m, lastSegment(t, m), []byte("torn"))
	if r := mustVerify(t, m); r.Damage() != 1 || r.Findings[0].FirstOffset < 60 {
		t.Fatalf("shut down in order, and yet: %+v", r)
	}
	if err := m.Remove("/data/" + cleanFile); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(m, "/data/"+topicsDir+"/notes", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	r := mustVerify(t, m)
	if r.Damage() != 0 || len(r.Findings) != 2 || r.Findings[0].Kind != Unknown || r.Findings[1].Kind != Unfinished {
		t.Fatalf("%+v", r)
	}
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	if l.Recovery().CutBytes != 4 {
		t.Fatalf("%+v", l.Recovery())
	}
}

// TestVerifyDirMissesTheEnd: the last batches are cut off cleanly, so every one that
// is left is whole; only the checkpoint knows that there were more.
func TestVerifyDirMissesTheEnd(t *testing.T) {
	m := everything(t)
	name := lastSegment(t, m)
	b, err := vfs.ReadFile(m, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	h, err := record.ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(m, name, b[:h.Size()]); err != nil {
		t.Fatal(err)
	}
	r := mustVerify(t, m)
	if r.Damage() != 1 || r.Findings[0].EndOffset <= r.Findings[0].FirstOffset {
		t.Fatalf("%+v", r)
	}
}
