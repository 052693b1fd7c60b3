package statestore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

func TestCheckLayout(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	log := &changelog{records: map[int32][]logRecord{}}
	task := restoreTask(t, s, []int32{0, 1}, log)
	if err := task.View("op").CheckLayout(1, "count"); err != nil {
		t.Fatal(err)
	}
	task.Abort() // the record goes with its epoch
	if err := task.View("op").CheckLayout(2, "sum"); err != nil {
		t.Fatal(err)
	}
	commitEpoch(t, task, log, 1)
	task.Release()
	s.Close()

	s = openStore(t, vfs.NewMem()) // another machine: the changelog alone
	defer s.Close()
	task = restoreTask(t, s, []int32{0, 1}, log)
	if err := task.View("op").CheckLayout(2, "sum"); err != nil {
		t.Fatal(err)
	}
	if task.Changed() {
		t.Error("an equal layout is written again")
	}
	var wrong *LayoutError
	if err := task.View("op").CheckLayout(2, "sum, avg"); !errors.As(err, &wrong) || wrong.StoredLayout != "sum" || wrong.StoredVersion != 2 {
		t.Errorf("another layout: %v", err)
	}
	if got := task.Operators(); len(got) != 1 || got[0] != "op" {
		t.Errorf("operators %v", got)
	}
	task.View("op").Clear()
	if err := task.View("op").CheckLayout(3, "new"); err != nil {
		t.Errorf("after Clear: %v", err)
	}
	tombstones, values := 0, 0
	task.Changes(func(_ int32, _, value []byte) error {
		if value == nil {
			tombstones++
		} else {
			values++
		}
		return nil
	})
	if tombstones != 0 || values != 2 {
		t.Errorf("clearing and writing anew gives %d tombstones and %d values", tombstones, values)
	}
}

// TestTablesRefuseOtherValues: a space that holds values of another layout is an
// error that names the operator, not garbage.
func TestTablesRefuseOtherValues(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	task := restoreTask(t, s, []int32{0}, &changelog{})
	key := append(appendNamespace(appendFamilyPrefix(nil, "op", 5), 0), "k"...)
	for _, value := range []string{"", "\x02", "\x01", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x09"} {
		if err := task.Restore(0, key, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if _, err := task.View("op").Tables(5, Layout{Words: 2, Blobs: 1}); !errors.Is(err, errRecord) || !strings.Contains(err.Error(), "operator op") {
			t.Errorf("value %q: %v", value, err)
		}
		if err := task.Wipe(0); err != nil {
			t.Fatal(err)
		}
		delete(task.views, "op")
	}
	if err := task.Restore(0, []byte{9}, nil); !errors.Is(err, errRecord) {
		t.Errorf("a key of another version: %v", err)
	}
	if err := task.Restore(1, key, nil); err == nil {
		t.Error("a record of another task's partition")
	}
}

func TestPositionFresh(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for age, fresh := range map[time.Duration]bool{0: true, 17 * time.Hour: true, 18*time.Hour + time.Second: false, 48 * time.Hour: false, -19 * time.Hour: false} {
		err := Position{Time: now.Add(-age)}.Fresh(now, 24*time.Hour)
		if fresh != (err == nil) || err != nil && !errors.Is(err, ErrStale) {
			t.Errorf("age %s: %v", age, err)
		}
	}
}

// TestWipe: a wiped partition is gone from memory, disk and positions, and only it.
func TestWipe(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	defer s.Close()
	log := &changelog{records: map[int32][]logRecord{}}
	task := restoreTask(t, s, []int32{0, 1}, log)
	v := task.View("op")
	for p := range int32(2) {
		if err := v.Put(p, 3, []byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := task.Wipe(0); err == nil {
		t.Error("wiped inside an epoch")
	}
	commitEpoch(t, task, log, 1)
	if err := task.Checkpoint(log.positions(1)); err != nil {
		t.Fatal(err)
	}
	if err := task.Wipe(0); err != nil {
		t.Fatal(err)
	}
	task.Release()
	task = restoreTask(t, s, []int32{0, 1}, &changelog{records: map[int32][]logRecord{1: make([]logRecord, 1)}})
	if _, ok := task.Position(0); ok {
		t.Error("a position of a wiped partition")
	}
	for p, want := range []string{"", "v"} {
		if got, _ := task.View("op").Get(int32(p), 3, []byte("k")); string(got) != want {
			t.Errorf("partition %d: %q", p, got)
		}
	}
}
