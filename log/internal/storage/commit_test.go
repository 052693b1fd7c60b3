package storage

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// countSyncs counts fdatasync calls on segments, each of which takes a while.
func countSyncs(m *vfs.Mem, takes time.Duration) *atomic.Int64 {
	var n atomic.Int64
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.HasSuffix(name, logSuffix) {
			n.Add(1)
			time.Sleep(takes)
		}
		return nil
	})
	return &n
}

// TestPoliciesAndSyncs appends at once and looks when each policy syncs and what
// it calls durable.
func TestPoliciesAndSyncs(t *testing.T) {
	for _, c := range []struct {
		policy      SyncPolicy
		atOnce      int64 // durable right after the append
		after10ms   int64 // syncs
		after1s     int64
		afterMinute int64
	}{
		{Always, 0, 1, 1, 1},
		{Interval, 1, 0, 1, 1},
		{OS, 1, 0, 0, 1}, // by the checkpoint
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := vfs.NewMem()
				n := openDisk(t, m, func(o *Options) { o.Policy = c.policy })
				l := openTestLog(t, n, Config{})
				var told atomic.Int64
				l.OnDurable(func(durable int64) { told.Store(durable) })
				syncs := countSyncs(m, time.Millisecond)
				mustAppend(t, l, plainBatch("x"))
				if l.Durable() != c.atOnce {
					t.Errorf("durable up to %d at once", l.Durable())
				}
				for _, step := range []struct {
					wait  time.Duration
					syncs int64
				}{{10 * time.Millisecond, c.after10ms}, {time.Second, c.after1s}, {time.Minute, c.afterMinute}} {
					time.Sleep(step.wait)
					synctest.Wait()
					if syncs.Load() != step.syncs {
						t.Errorf("%d syncs after %v, want %d", syncs.Load(), step.wait, step.syncs)
					}
				}
				if told.Load() != 1 || l.Durable() != 1 {
					t.Errorf("told %d, durable %d", told.Load(), l.Durable())
				}
			})
		})
	}
}

// TestOneSyncForManyAppends: what is appended during a sync shares the next one.
func TestOneSyncForManyAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		l := openTestLog(t, openDisk(t, m), Config{})
		syncs := countSyncs(m, 10*time.Millisecond)
		for range 100 {
			mustAppend(t, l, plainBatch("x"))
		}
		durable(t, l, 100)
		if n := syncs.Load(); n > 2 {
			t.Fatalf("%d syncs", n)
		}
	})
}

// TestFilesAreSyncedSideBySide: a round over many partitions takes about as long as
// one sync.
func TestFilesAreSyncedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		n := openDisk(t, m)
		var logs []*Log
		for i := range int32(16) {
			l, err := n.OpenLog(topic, i, Config{})
			if err != nil {
				t.Fatal(err)
			}
			logs = append(logs, l)
		}
		countSyncs(m, 10*time.Millisecond)
		began := time.Now()
		for _, l := range logs {
			mustAppend(t, l, plainBatch("x"))
		}
		for _, l := range logs {
			durable(t, l, 1)
		}
		if took := time.Since(began); took > 25*time.Millisecond { // of virtual time
			t.Fatalf("two rounds took %v", took)
		}
	})
}

// TestSlowDiskDoesNotBlockAppends: while a sync takes a minute, appends and reads
// go on, but for the second new segment, before which the first has to be synced.
func TestSlowDiskDoesNotBlockAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		l := openTestLog(t, openDisk(t, m), Config{SegmentBytes: 1000})
		countSyncs(m, time.Minute)
		began := time.Now()
		for l.LogEnd() < 20 { // one roll
			mustAppend(t, l, plainBatch("x"))
		}
		if got := values(t, l, 0, 20); len(got) != 20 || time.Since(began) != 0 {
			t.Fatal(len(got), time.Since(began))
		}
		for l.LogEnd() < 40 {
			mustAppend(t, l, plainBatch("x"))
		}
		if time.Since(began) == 0 {
			t.Fatal("three segments without a sync")
		}
	})
}

// TestIdleFilesAreClosed counts what a log keeps open.
func TestIdleFilesAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		n := openDisk(t, m)
		l := openTestLog(t, n, Config{})
		mustAppend(t, l, plainBatch("x"))
		durable(t, l, 1)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		l.mu.Lock()
		open := l.active != nil
		l.mu.Unlock()
		if open {
			t.Fatal("still open for appends after three idle minutes")
		}
		mustAppend(t, l, plainBatch("y"))
		durable(t, l, 2)
		if got := values(t, l, 0, 2); len(got) != 2 {
			t.Fatal(got)
		}
	})
}
