package meta

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func TestMarkFormat(t *testing.T) {
	golden(t, "testdata/mark.golden", hex.Dump(encodeMark(1<<40+7)))
	if saves, err := decodeMark(encodeMark(1<<40 + 7)); err != nil || saves != 1<<40+7 {
		t.Fatal(saves, err)
	}
}

// FuzzDecodeMark feeds arbitrary bytes: no panic, and what it takes is what it writes.
func FuzzDecodeMark(f *testing.F) {
	f.Add(encodeMark(0))
	f.Add(encodeMark(1 << 63))
	f.Add(encodeMark(5)[:markHeader])
	f.Fuzz(func(t *testing.T, b []byte) {
		saves, err := decodeMark(b)
		if err != nil {
			if !errors.Is(err, errMark) {
				t.Fatal(err)
			}
			return
		}
		if string(encodeMark(saves)) != string(b[:markHeader+markPayload]) {
			t.Fatalf("%x is not what is written for %d", b, saves)
		}
	})
}

// TestMarkIsNoTruth: a mark that is torn, missing or cannot be written keeps nobody
// from the metadata.
func TestMarkIsNoTruth(t *testing.T) {
	disk := livedDisks(t)["killed"]
	want, err := imageOf(disk.KillClone())
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "torn", strings.Repeat("\x00", 2*markSlot), strings.Repeat("longer", markSlot)} {
		clone := disk.KillClone()
		replace(t, clone, markFile, []byte(content))
		if r := verifyUnchanged(t, clone); refusals(r) > 0 || len(r.Faults) != 1 || r.Faults[0].File != markFile {
			t.Errorf("%q: %+v", content, r.Faults)
		}
		if got, err := imageOf(clone); err != nil || got != want {
			t.Errorf("%q: %v", content, err)
		}
	}
	// One slot is enough, be it the older one.
	clone := disk.KillClone()
	b := []byte(contentsOf(t, clone)[markFile])
	copy(b, make([]byte, markSlot))
	replace(t, clone, markFile, b)
	if r := verifyUnchanged(t, clone); len(r.Faults) > 0 {
		t.Errorf("%+v", r.Faults)
	}

	// Who has no backup, and has been told that there was more, may go on with the rest.
	clone = disk.KillClone()
	for name, b := range contentsOf(t, clone) {
		if strings.HasSuffix(name, walSuffix) {
			replace(t, clone, name, append([]byte(b[:len(b)/2]), make([]byte, 100)...))
		}
	}
	if _, err := imageOf(clone); !errors.Is(err, ErrCorrupt) {
		t.Errorf("half of the log is gone: %v", err)
	}
	if err := clone.Remove(metaDir + "/" + markFile); err != nil {
		t.Fatal(err)
	}
	if got, err := imageOf(clone); err != nil || got == want {
		t.Errorf("without the mark: %v", err)
	}

	for _, c := range []struct {
		name string
		op   vfs.Op
	}{{"made", vfs.OpCreate}, {"written", vfs.OpWriteAt}} {
		clone := disk.KillClone()
		clone.Inject(func(op vfs.Op, name string) error {
			if op == c.op && strings.TrimSuffix(path.Base(name), vfs.TempSuffix) == markFile {
				return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
			}
			return nil
		})
		o := testOptions(clone)
		o.Source = rand.New(rand.NewPCG(4, 2))
		m, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		register(t, m, 4)
		createTopic(t, m, "no-mark", 1)
		clone.Inject(nil)
		if _, err := imageOf(clone.KillClone()); err != nil {
			t.Errorf("not %s: %v", c.name, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
