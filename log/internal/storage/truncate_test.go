package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// TestTruncate cuts a log at every offset and compares it with one that was only
// ever written so far.
func TestTruncate(t *testing.T) {
	config := Config{SegmentBytes: 400, IndexInterval: 100}
	var batches [][]byte
	for i := range 14 {
		switch {
		case i%5 == 4:
			batches = append(batches, record.ControlBatch(record.Control{Marker: record.Marker(i % 2), CoordinatorEpoch: int32(i)}, 1, 0, 1000))
		case i%3 == 0:
			batches = append(batches, plainBatch(fmt.Sprint(i), "two"))
		default:
			batches = append(batches, producerBatch(1, 0, int32(i), true, fmt.Sprint(i)))
		}
	}
	write := func(l *Log, limit int64) {
		for i, b := range batches {
			h, err := record.ParseHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			if l.LogEnd()+int64(h.Count) > limit {
				return
			}
			b = slices.Clone(b)
			record.SetBaseOffset(b, l.LogEnd())
			record.SetLeaderEpoch(b, int32(i/3))
			if _, err := l.Append(b, AppendOptions{Origin: Replication}); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := openDisk(t, vfs.NewMem())
	whole := openTestLog(t, n, config)
	write(whole, 1000)
	for to := whole.LogEnd(); to >= 0; to-- {
		if err := whole.Truncate(to); err != nil {
			t.Fatal(err)
		}
		fresh, err := n.OpenLog(topic, 1, config)
		if err != nil {
			t.Fatal(err)
		}
		write(fresh, to)
		got := describe(whole) + fmt.Sprint(values(t, whole, 0, to))
		want := describe(fresh) + fmt.Sprint(values(t, fresh, 0, to))
		if got != want {
			t.Fatalf("truncated to %d:\n%s\nwritten up to there:\n%s", to, got, want)
		}
		if whole.Durable() != whole.LogEnd() {
			t.Fatal("not durable")
		}
		if err := n.DeleteLog(topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	write(whole, 1000)
	if err := whole.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestTruncateWakesWaiters: who waits for what is cut learns it.
func TestTruncateWakesWaiters(t *testing.T) {
	m := vfs.NewMem()
	entered, hold := make(chan struct{}), make(chan struct{})
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	durable(t, l, 1)
	syncs := 0
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.HasSuffix(name, logSuffix) {
			if syncs++; syncs == 1 {
				close(entered)
				<-hold
			}
		}
		return nil
	})
	mustAppend(t, l, plainBatch("y"))
	<-entered // the commit loop is at it
	mustAppend(t, l, plainBatch("z"))
	waits := make(chan error)
	go func() { waits <- l.WaitDurable(context.Background(), 3) }()
	go func() { waits <- l.Truncate(1) }()
	close(hold)
	for range 2 { // the truncation, and a wait that came too late or was in time
		if err := <-waits; err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
			t.Fatal(err)
		}
	}
	if l.LogEnd() != 1 || l.Durable() != 1 {
		t.Fatal(l.LogEnd(), l.Durable())
	}
}

func TestReset(t *testing.T) {
	for _, at := range []int64{0, 3, 500} {
		m, n, l := segmented(t, Config{}, 1, 2, 3, 4)
		if _, err := l.DeleteRecords(2); err != nil {
			t.Fatal(err)
		}
		if err := l.Reset(at); err != nil {
			t.Fatal(err)
		}
		if l.LogStart() != at || l.LogEnd() != at || l.Durable() != at || len(l.Producers()) != 0 || l.LeaderEpoch() != -1 {
			t.Fatal(l.LogStart(), l.LogEnd())
		}
		if ticket := mustAppend(t, l, plainBatch("x")); ticket.BaseOffset != at {
			t.Fatal(ticket)
		}
		if err := n.Close(1); err != nil {
			t.Fatal(err)
		}
		if l = openTestLog(t, openDisk(t, m), Config{}); l.LogStart() != at || l.LogEnd() != at+1 {
			t.Fatal(l.LogStart(), l.LogEnd())
		}
	}
}

// TestResetIsAllOrNothing cuts the power at every call of a reset.
func TestResetIsAllOrNothing(t *testing.T) {
	rng := randomSource(t)
	for _, at := range []int64{3, 500} {
		m, _, l := segmented(t, Config{}, 1, 2, 3, 4)
		var clones []*vfs.Mem
		m.Inject(func(op vfs.Op, _ string) error {
			if op.Changes() {
				clones = append(clones, m.CrashClone(rng))
			}
			return nil
		})
		if err := l.Reset(at); err != nil {
			t.Fatal(err)
		}
		m.Inject(nil)
		for i, clone := range clones {
			l := openTestLog(t, openDisk(t, clone), Config{})
			if l.LogEnd() != at && l.LogEnd() > 8 || l.LogStart() > l.LogEnd() {
				t.Fatalf("cut %d: %d to %d", i, l.LogStart(), l.LogEnd())
			}
			if err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, plainBatch("x"))
		}
	}
}
