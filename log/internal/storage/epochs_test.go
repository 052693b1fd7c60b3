package storage

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func TestLeaderEpochs(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	l := openTestLog(t, n, Config{})
	if found, end := l.EpochEnd(0); found != -1 || end != -1 || l.LeaderEpoch() != -1 {
		t.Fatal(found, end)
	}
	write := func(epoch int32, records int) {
		t.Helper()
		for range records {
			if _, err := l.Append(plainBatch("x"), AppendOptions{LeaderEpoch: epoch}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(2, 3)
	for _, epoch := range []int32{3, 4, 5} { // leaders that wrote nothing
		if err := l.SetLeaderEpoch(epoch); err != nil {
			t.Fatal(err)
		}
	}
	write(5, 2)
	write(7, 1)
	check := func() {
		t.Helper()
		for _, c := range []struct {
			epoch, found int32
			end          int64
		}{{0, 0, 0}, {1, 1, 0}, {2, 2, 3}, {3, 2, 3}, {4, 2, 3}, {5, 5, 5}, {6, 5, 5}, {7, 7, 6}, {8, -1, -1}} {
			if found, end := l.EpochEnd(c.epoch); found != c.found || end != c.end {
				t.Errorf("epoch %d: %d ends at %d, want %d at %d", c.epoch, found, end, c.found, c.end)
			}
		}
		got := ""
		for offset := range int64(7) {
			got += fmt.Sprint(l.EpochAt(offset), " ")
		}
		if got != "2 2 2 5 5 7 7 " {
			t.Error(got)
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTestLog(t, n, Config{})
	check()
	if _, err := l.DeleteRecords(4); err != nil {
		t.Fatal(err)
	}
	if found, end := l.EpochEnd(2); found != 2 || end != 4 {
		t.Fatal(found, end)
	}
}

// TestEpochSurvivesACrash: an epoch that began is on the disk before anything is
// written in it, so that after a restart nobody can write in it again.
func TestEpochSurvivesACrash(t *testing.T) {
	m := vfs.NewMem()
	l := openTestLog(t, openDisk(t, m), Config{})
	if err := l.SetLeaderEpoch(6); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		clone := m.CrashClone(randomSource(t))
		if got := openTestLog(t, openDisk(t, clone), Config{}).LeaderEpoch(); got != 6 {
			t.Fatal(got)
		}
	}
}

// TestTruncateToTheEndForgetsAnEmptyEpoch: a follower that had begun an epoch its
// new leader does not have must be able to take records of an older one.
func TestTruncateToTheEndForgetsAnEmptyEpoch(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	mustAppend(t, l, plainBatch("x"))
	if err := l.SetLeaderEpoch(5); err != nil {
		t.Fatal(err)
	}
	if err := l.Truncate(1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(plainBatch("x"), AppendOptions{LeaderEpoch: 3}); err != nil || l.LeaderEpoch() != 3 {
		t.Fatal(err)
	}
}
