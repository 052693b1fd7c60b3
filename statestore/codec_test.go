package statestore

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/vfs"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestFormatGolden holds the bytes of the changelog, of the database and of the
// identity file against those of released versions. A difference loses the state of
// everyone who upgrades: raise a version and keep reading the old one instead.
func TestFormatGolden(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	defer s.Close()
	task := restoreTask(t, s, []int32{0, 5}, &changelog{})
	v := task.View("per_minute")
	if err := v.CheckLayout(3, "by {ad: string}"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		v.Put(0, -1, []byte("k"), []byte("value")), v.Put(5, math.MaxInt64, nil, nil), v.SetTimer(5, 1_000_000, []byte("ann")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ts, err := v.Tables(2, Layout{Words: 3, Blobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("a key that is longer than sixteen bytes")
	k := Keys{Off: []int32{0, int32(len(key))}, Data: key, Hash: []uint64{xxh3.Hash(key)}, Partition: []int32{5}}
	slots := make([]Slot, 1)
	if err := ts.At(1_700_000_060_000_000).Upsert(&k, []int32{0}, slots); err != nil {
		t.Fatal(err)
	}
	ts.At(1_700_000_060_000_000).Words()[slots[0]] = 0x0102030405060708
	if err := ts.At(1_700_000_060_000_000).SetBlob(slots[0], 1, []byte{}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	task.Changes(func(p int32, key, value []byte) error {
		lines = append(lines, fmt.Sprintf("changelog %d: %x = %x", p, key, value))
		return nil
	})
	slices.Sort(lines)
	task.Commit()
	pos := Position{Offset: 4711, Epoch: 7, Time: time.UnixMicro(1_700_000_000_000_001), Meta: []byte("meta")}
	if err := task.Checkpoint(map[int32]Position{0: pos, 5: pos}); err != nil {
		t.Fatal(err)
	}
	lines = append(lines, dumpDatabase(t, s)...)
	identity, err := vfs.ReadFile(fsys, "/state/identity", identityMax)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n") + "\nidentity:\n" + string(identity)
	const file = "testdata/format.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the format has changed:\n%s", got)
	}
}

func dumpDatabase(t *testing.T, s *Store) (lines []string) {
	iter, err := s.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for ok := iter.First(); ok; ok = iter.Next() {
		lines = append(lines, fmt.Sprintf("database: %x = %x", iter.Key(), iter.Value()))
	}
	if err := iter.Close(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// FuzzRestore feeds arbitrary records to a task: it refuses them or gives the same
// record back as a change.
func FuzzRestore(f *testing.F) {
	f.Add(append(appendNamespace(appendFamilyPrefix(nil, "op", 5), 0), "k"...), []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02x"))
	f.Add(append(appendNamespace(appendFamilyPrefix(nil, "op", spaceKV), -1), "k"...), []byte("\x01\x03ab"))
	f.Add(appendNamespace(appendFamilyPrefix(nil, "op", spaceTimers), 0), []byte("\x01"))
	f.Add([]byte{1, 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, []byte{1})
	s := openStore(f, vfs.NewMem())
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, key, value []byte) {
		task, err := s.Task([]int32{0})
		if err != nil {
			t.Fatal(err)
		}
		defer task.Release()
		if task.Restore(0, key, value) != nil || value == nil {
			return
		}
		rec, err := parseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		v := task.View(string(rec.operator))
		layout := map[uint8]Layout{spaceKV: kvLayout, spaceTimers: timerLayout, spaceLayout: kvLayout}[rec.space]
		if rec.space < spaceKV {
			layout = Layout{Words: 2, Blobs: 1}
		}
		ts, err := v.tables(rec.space, layout)
		if err != nil {
			return
		}
		table := ts.At(rec.ns)
		slot, ok := table.lookup(0, rec.user)
		if !ok {
			t.Fatalf("record %x is not there", key)
		}
		row := table.rows[slot-rowHeader:][:table.width]
		if got := table.appendValue(nil, row); !bytes.Equal(got, value) && !longVarint(value) {
			t.Errorf("%x = %x comes back as %x", key, value, got)
		}
		if got := append(appendNamespace(slices.Clone(ts.prefix), rec.ns), table.Key(nil, slot)...); !bytes.Equal(got, key) && !longVarint(key) {
			t.Errorf("key %x comes back as %x", key, got)
		}
	})
}

// longVarint: a number may be written in more bytes than it needs, which we read and
// never write.
func longVarint(b []byte) bool {
	return bytes.ContainsAny(b, "\x80\x81\x82\x83\x84") || bytes.IndexByte(b, 0) > 0
}
