package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func TestPartitionsDeleteQuarantine(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	other := [16]byte{1}
	var want []TopicPartition
	for _, id := range []TopicPartition{{other, 0}, {topic, 0}, {topic, 2}, {topic, 10}} {
		l, err := n.OpenLog(id.TopicID, id.Partition, Config{})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, plainBatch("x"))
		want = append(want, id)
	}
	check := func() {
		t.Helper()
		if got, err := n.Partitions(); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v %v, want %v", got, err, want)
		}
	}
	check()
	if _, err := n.OpenLog(topic, 2, Config{}); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Fatal(err)
	}
	for range 2 { // what is not there is no error
		if err := n.DeleteLog(topic, 2); err != nil {
			t.Fatal(err)
		}
	}
	want = slices.Delete(want, 2, 3)
	check()
	if err := n.DeleteLog(other, 0); err != nil {
		t.Fatal(err)
	}
	want = want[1:]
	check()
	if _, err := m.Stat(n.topicDir(other)); err == nil {
		t.Fatal("the directory of a topic without partitions is left")
	}
	if err := n.QuarantineLog(topic, 10, "a test"); err != nil {
		t.Fatal(err)
	}
	want = want[:1]
	check()
	kept, err := m.List("/data/quarantine")
	if err != nil || len(kept) != 1 || !strings.HasSuffix(kept[0], "-10") {
		t.Fatal(kept, err)
	}
	l, err := n.OpenLog(topic, 2, Config{}) // again, and empty
	if err != nil || l.LogEnd() != 0 {
		t.Fatal(err)
	}
}

func TestDeletedLogIsClosed(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	if err := n.DeleteLog(topic, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := l.Read(0, 1, 1); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletionSurvivesCrashes cuts the power at every call of a deletion: after it
// the partition is there as a whole, or not at all, and after the deletion has
// returned it is gone.
func TestDeletionSurvivesCrashes(t *testing.T) {
	rng := randomSource(t)
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{SegmentBytes: 200})
	for i := range 20 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i)))
	}
	durable(t, l, 20)
	var clones []*vfs.Mem
	m.Inject(func(op vfs.Op, _ string) error {
		if op.Changes() {
			clones = append(clones, m.CrashClone(rng))
		}
		return nil
	})
	if err := n.DeleteLog(topic, 0); err != nil {
		t.Fatal(err)
	}
	clones = append(clones, m.CrashClone(rng))
	m.Inject(nil)
	for i, clone := range clones {
		n := openDisk(t, clone)
		there, err := n.Partitions()
		if err != nil {
			t.Fatal(err)
		}
		if len(there) > 0 && i == len(clones)-1 {
			t.Fatal("it is back")
		}
		if len(there) > 0 && openTestLog(t, n, Config{}).LogEnd() != 20 {
			t.Fatal("half of it is there")
		}
		names, err := clone.List("/data/topics")
		if err != nil || len(names) > len(there) {
			t.Fatalf("left over: %v %v", names, err)
		}
	}
}

// TestKilledWhileOpening kills the process at every call of its first start, starts
// again, and cuts the power: directories and files that the first one made and did
// not sync must be synced by the second, which finds them there.
func TestKilledWhileOpening(t *testing.T) {
	rng := randomSource(t)
	for calls := 1; ; calls++ {
		m := vfs.NewMem()
		first := &process{FS: m, left: calls}
		n, err := tryDisk(first)
		if err == nil {
			var l *Log
			if l, err = n.OpenLog(topic, 0, Config{}); err == nil {
				var ticket Ticket
				if ticket, err = l.Append(plainBatch("first"), AppendOptions{LeaderEpoch: 1}); err == nil {
					err = l.WaitDurable(t.Context(), ticket.LastOffset+1)
				}
			}
		}
		first.kill()
		second := openDisk(t, m)
		l := openTestLog(t, second, Config{})
		ticket, aerr := l.Append(plainBatch("second"), AppendOptions{LeaderEpoch: 2})
		if aerr != nil {
			t.Fatal(aerr)
		}
		durable(t, l, ticket.LastOffset+1)
		for range 4 {
			third, terr := tryDisk(m.CrashClone(rng))
			if terr != nil {
				t.Fatalf("killed at call %d: %v", calls, terr)
			}
			if third.Identity().DirectoryID != second.Identity().DirectoryID {
				t.Fatalf("killed at call %d: another directory id", calls)
			}
			if l := openTestLog(t, third, Config{}); l.LogEnd() != ticket.LastOffset+1 || l.LeaderEpoch() != 2 {
				t.Fatalf("killed at call %d: ends at %d, %d was acknowledged", calls, l.LogEnd(), ticket.LastOffset+1)
			}
			if err := third.Close(1); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil {
			return // it lived to the end
		}
	}
}

func TestCloseTwice(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	openTestLog(t, n, Config{})
	for range 2 {
		if err := n.Close(1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.OpenLog(topic, 0, Config{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// TestCloseUnused: who opens a directory and no log of it leaves the mark as it was.
func TestCloseUnused(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	durable(t, openTestLog(t, n, Config{}), 0)
	killed := m.KillClone()
	if err := n.Close(7); err != nil {
		t.Fatal(err)
	}
	for name, disk := range map[string]*vfs.Mem{"killed": killed, "closed": m} {
		for range 2 {
			d := openDisk(t, disk)
			if epoch, clean := d.CleanShutdown(); clean != (name == "closed") || clean && epoch != 7 {
				t.Errorf("%s: clean %v in epoch %d", name, clean, epoch)
			}
			if err := d.CloseUnused(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
