package storage

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// journalDisk is a disk with a small journal and some open logs.
func journalDisk(t *testing.T, m *vfs.Mem, count int, change ...func(*Options)) (*node, []*Log) {
	t.Helper()
	small := func(o *Options) { o.JournalFileBytes, o.JournalFiles = testJournalBytes, 3 }
	n := openDisk(t, m, append([]func(*Options){small}, change...)...)
	var logs []*Log
	for i := range count {
		l, err := n.OpenLog(topic, int32(i), Config{})
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
	}
	return n, logs
}

// journalCalls counts what a disk does with its journal and its segments.
type journalCalls struct{ records, segments, files atomic.Int64 }

func countJournal(m *vfs.Mem) *journalCalls {
	c := new(journalCalls)
	m.Inject(func(op vfs.Op, name string) error {
		switch {
		case op == vfs.OpWriteAt:
			c.records.Add(1)
		case op == vfs.OpSyncData && strings.HasSuffix(name, logSuffix):
			c.segments.Add(1)
		case op == vfs.OpCreate && strings.Contains(name, "/"+journalDir+"/"):
			c.files.Add(1)
		case op == vfs.OpSyncData:
			time.Sleep(time.Millisecond) // so that appends come together
		}
		return nil
	})
	return c
}

// roundOver appends to some logs at once and waits until all is acknowledged.
func roundOver(t *testing.T, logs []*Log) {
	t.Helper()
	for _, l := range logs {
		mustAppend(t, l, plainBatch("x"))
	}
	for _, l := range logs {
		durable(t, l, l.LogEnd())
	}
}

// TestJournalIsChosen looks which way rounds of few and of many logs go.
func TestJournalIsChosen(t *testing.T) {
	for _, c := range []struct {
		policy  SyncPolicy
		mode    JournalMode
		logs    int
		journal bool
	}{
		{Always, JournalAuto, 1, false},
		{Always, JournalAuto, 12, true},
		{Always, JournalOff, 12, false},
		{Always, JournalOn, 1, true},
		{Interval, JournalOn, 12, false},
		{OS, JournalOn, 12, false},
	} {
		t.Run(fmt.Sprint(c.policy, journalNames[c.mode], c.logs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := vfs.NewMem()
				n, logs := journalDisk(t, m, c.logs, func(o *Options) { o.Policy, o.Journal = c.policy, c.mode })
				calls := countJournal(m)
				for range 10 {
					roundOver(t, logs)
					time.Sleep(10 * time.Millisecond)
				}
				if used := calls.records.Load() > 0; used != c.journal {
					t.Errorf("%d records, %d files", calls.records.Load(), calls.files.Load())
				}
				if c.policy == Always && !c.journal && calls.files.Load() > 0 {
					t.Error("a journal file that nobody needs")
				}
				if err := n.Close(-1); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestJournalStays: rounds are shorter with the journal and find fewer logs, which
// must not send them back and forth.
func TestJournalStays(t *testing.T) {
	j := newJournal(&Disk{o: Options{JournalFileBytes: testJournalBytes}})
	var got []bool
	for _, staged := range []int{2, 3, 3, 2, 0, 2, 1, 2, 3} {
		got = append(got, j.takes(staged))
	}
	if want := []bool{false, true, true, true, false, true, false, false, true}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

// TestLargeAppendsGoToSegments: in one round a log with a large append has its
// segment synced, beside the record with the small ones.
func TestLargeAppendsGoToSegments(t *testing.T) {
	m := vfs.NewMem()
	_, logs := journalDisk(t, m, 5, func(o *Options) { o.Journal, o.JournalAge = JournalOn, time.Hour })
	roundOver(t, logs)
	calls := countJournal(m)
	mustAppend(t, logs[0], plainBatch(strings.Repeat("x", maxStagedAppend)))
	roundOver(t, logs)
	if logs[0].synced != logs[0].end {
		t.Errorf("synced to %d of %d", logs[0].synced, logs[0].end)
	}
	if calls.records.Load() == 0 {
		t.Error("no record of the others")
	}
}

// TestJournalFilesAreUsedAgain writes many times what they hold.
func TestJournalFilesAreUsedAgain(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 8, func(o *Options) { o.Journal = JournalOn })
	calls := countJournal(m)
	for range 200 {
		roundOver(t, logs)
	}
	names, err := m.List("/data/" + journalDir)
	if err != nil || len(names) == 0 || len(names) > 3 || calls.files.Load() > 3 {
		t.Fatalf("%q, %d were made (%v)", names, calls.files.Load(), err)
	}
	if bytes := calls.records.Load() * journalPage; bytes < 3*testJournalBytes {
		t.Fatalf("only %d bytes went there", bytes)
	}
	fs := m.CrashClone(randomSource(t))
	after, again := journalDisk(t, fs, len(logs))
	for i, l := range again {
		if l.LogEnd() < logs[i].Durable() {
			t.Errorf("log %d ends at %d, %d was durable", i, l.LogEnd(), logs[i].Durable())
		}
	}
	if err := after.Close(-1); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
}

// TestJournalWithoutRoom: where no file can be made segments are synced, nobody is
// refused, and the disk is not asked for room all the time.
func TestJournalWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		n, logs := journalDisk(t, m, 8, func(o *Options) { o.Journal = JournalOn })
		tries := 0
		m.Inject(func(op vfs.Op, name string) error {
			if op == vfs.OpCreate && strings.Contains(name, "/"+journalDir+"/") {
				tries++
				return syscall.ENOSPC
			}
			return nil
		})
		for range 10 {
			roundOver(t, logs)
		}
		synctest.Wait()
		if n.Err() != nil || n.journal.done.Load() > 0 || tries != 1 {
			t.Fatal(n.Err(), n.journal.done.Load(), tries)
		}
		m.Inject(nil)
		time.Sleep(fileRetry)
		for range 3 {
			roundOver(t, logs)
		}
		if n.journal.done.Load() == 0 {
			t.Error("not used once there is room")
		}
		if err := n.Close(-1); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFullJournalIsFreed: all files are full of what logs have not synced yet, and
// one is deleted. The deletion gets its entry, because the settler makes room, also
// if the disk had room for one file only.
func TestFullJournalIsFreed(t *testing.T) {
	for files := range 2 {
		t.Run(fmt.Sprint(files+1), func(t *testing.T) { fillJournal(t, files+1) })
	}
}

func fillJournal(t *testing.T, files int) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 8, func(o *Options) { o.Journal, o.JournalFiles, o.JournalAge = JournalOn, 2, time.Hour })
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpCreate && strings.HasSuffix(name, fmt.Sprintf("%06d", files)+vfs.TempSuffix) {
			return syscall.ENOSPC
		}
		return nil
	})
	for i := range 200 {
		roundOver(t, logs)
		if i%10 == 0 {
			l := logs[7]
			if err := n.DeleteLog(topic, 7); err != nil {
				t.Fatal(err)
			}
			if l, err := n.OpenLog(topic, 7, Config{}); err != nil || l.LogEnd() != 0 {
				t.Fatal(l, err)
			} else {
				logs[7] = l
			}
			if l.Durable() == 0 {
				t.Fatal("nothing was written")
			}
		}
	}
}

// TestFailedJournalSyncEndsAcknowledgements: it is a failed sync like any other.
func TestFailedJournalSyncEndsAcknowledgements(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 3, func(o *Options) { o.Journal = JournalOn })
	roundOver(t, logs)
	failNth(m, vfs.OpSyncData, "/000000", 1, syscall.EIO)
	mustAppend(t, logs[0], plainBatch("y"))
	if err := logs[0].WaitDurable(t.Context(), 2); err == nil {
		t.Fatal("acknowledged")
	}
	if <-n.fatal; logs[0].Durable() != 1 {
		t.Fatal(logs[0].Durable())
	}
	if err := n.DeleteLog(topic, 1); err == nil {
		t.Fatal("deleted a log on a disk that has failed")
	}
	m.Inject(nil)
	if err := n.Close(1); err == nil {
		t.Fatal("closed as if nothing had happened")
	}
	if names, _ := m.List("/data/" + journalDir); len(names) == 0 {
		t.Fatal("the journal of a disk that has failed was removed")
	}
}
