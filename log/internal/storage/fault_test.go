package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestDiskFull fills the disk with appends: each either succeeds as a whole or
// leaves nothing, and appends go on once there is room.
func TestDiskFull(t *testing.T) {
	for _, small := range []bool{true, false} {
		t.Run(fmt.Sprint("small=", small), func(t *testing.T) {
			m := vfs.NewMem()
			n := openDisk(t, m, func(o *Options) { o.MinFreeBytes = 1 })
			l := openTestLog(t, n, Config{SegmentBytes: 200_000})
			size := 700
			if !small {
				size = smallWrite + 5000
			}
			m.Limit(m.Used() + 300_000)
			full := 0
			for i := range 1000 {
				ticket, err := l.Append(plainBatch(fmt.Sprint(i), strings.Repeat("x", size)), AppendOptions{Origin: Coordinator})
				if errors.Is(err, ErrFull) {
					if full++; full == 3 {
						break
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				durable(t, l, ticket.LastOffset+1)
			}
			if full != 3 || n.Err() != nil {
				t.Fatal("never full, or failed", n.Err())
			}
			end := l.LogEnd()
			if got := values(t, l, 0, end); len(got) != int(end) {
				t.Fatalf("%d records up to offset %d", len(got), end)
			}
			if err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			// Deleting works on a full disk, and makes room.
			if _, err := l.DeleteRecords(end); err != nil {
				t.Fatal(err)
			}
			m.Limit(0)
			if ticket := mustAppend(t, l, plainBatch("again")); ticket.BaseOffset != end {
				t.Fatal(ticket, end)
			}
			durable(t, l, end+1)
			if err := n.Close(1); err != nil {
				t.Fatal(err)
			}
			n = openDisk(t, m)
			if got := values(t, openTestLog(t, n, Config{}), end, end+1); !slices.Equal(got, []string{fmt.Sprintf("%d=again", end)}) {
				t.Fatal(got)
			}
		})
	}
}

// TestClientsLeaveRoomForTheNode: below the reserve only coordinators and
// replication append.
func TestClientsLeaveRoomForTheNode(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m, func(o *Options) { o.MinFreeBytes = 10_000 })
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	m.Limit(m.Used() + 9_000)
	if err := n.measure(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if _, err := l.Append(plainBatch("x"), AppendOptions{Origin: Coordinator}); err != nil {
		t.Fatal(err)
	}
	m.Limit(0) // the next client looks again
	mustAppend(t, l, plainBatch("x"))
}

// failNth fails one call of a kind, and after it all of them.
func failNth(m *vfs.Mem, op vfs.Op, suffix string, nth int64, cause error) {
	var calls atomic.Int64
	m.Inject(func(o vfs.Op, name string) error {
		if o == op && strings.HasSuffix(name, suffix) && calls.Add(1) >= nth {
			return cause
		}
		return nil
	})
}

// TestFailedSyncEndsAcknowledgements: after the first failed fsync the process is
// told once and nothing is acknowledged any more, not even what a later sync
// seems to cover.
func TestFailedSyncEndsAcknowledgements(t *testing.T) {
	for nth := range int64(4) {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			m := vfs.NewMem()
			n := openDisk(t, m)
			l := openTestLog(t, n, Config{})
			other, err := n.OpenLog(topic, 1, Config{})
			if err != nil {
				t.Fatal(err)
			}
			told := make(chan int64, 100)
			l.OnDurable(func(durable int64) { told <- durable })
			failNth(m, vfs.OpSyncData, ".log", nth+1, syscall.EIO)
			acked := int64(0)
			for {
				ticket := mustAppend(t, l, plainBatch("x"))
				if err = l.WaitDurable(t.Context(), ticket.LastOffset+1); err != nil {
					break
				}
				acked = ticket.LastOffset + 1
			}
			if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || acked != nth {
				t.Fatalf("acknowledged up to %d, then %v", acked, err)
			}
			m.Inject(nil) // the disk seems well again
			if err := <-n.fatal; !errors.Is(err, ErrFailed) {
				t.Fatal(err)
			}
			for _, l := range []*Log{l, other} {
				if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrFailed) {
					t.Fatalf("append: %v", err)
				}
				if err := l.WaitDurable(t.Context(), l.Durable()+1); !errors.Is(err, ErrFailed) {
					t.Fatalf("wait: %v", err)
				}
			}
			if err := n.Close(1); !errors.Is(err, ErrFailed) {
				t.Fatalf("close: %v", err)
			}
			if l.Durable() != nth || len(n.fatal) != 0 {
				t.Fatalf("durable %d, told %d times more", l.Durable(), len(n.fatal))
			}
			close(told)
			for durable := range told {
				if durable > nth {
					t.Fatalf("told that %d is durable", durable)
				}
			}
			after := openDisk(t, m)
			if _, clean := after.CleanShutdown(); clean {
				t.Fatal("marked as cleanly shut down")
			}
		})
	}
}

// TestFailedWriteFailsTheDisk: an error other than a full disk leaves nothing
// visible and ends the node.
func TestFailedWriteFailsTheDisk(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpWrite && strings.HasSuffix(name, ".log") {
			return &vfs.PartialWrite{N: 30, Err: syscall.EIO}
		}
		return nil
	})
	if _, err := l.Append(plainBatch("y"), AppendOptions{}); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if <-n.fatal; l.LogEnd() != 1 {
		t.Fatal(l.LogEnd())
	}
}

// TestFailedReadIsOnlyAnError: what cannot be read now may be readable later, and
// other partitions are well.
func TestFailedReadIsOnlyAnError(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	failNth(m, vfs.OpReadAt, ".log", 1, syscall.EIO)
	if _, err := l.Read(0, 100, 1); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	m.Inject(nil)
	if got := values(t, l, 0, 1); len(got) != 1 || n.Err() != nil {
		t.Fatal(got, n.Err())
	}
}

// TestCachesThatCannotBeWritten: without room for indexes and checkpoints a log
// works, and opens again.
func TestCachesThatCannotBeWritten(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{SegmentBytes: 200})
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpCreate && strings.HasSuffix(name, vfs.TempSuffix) && !strings.Contains(name, cleanFile) && !strings.Contains(name, epochsFile) {
			return syscall.ENOSPC
		}
		return nil
	})
	for i := range 40 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i), "padding padding padding padding"))
	}
	if err := l.Checkpoint(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if got := values(t, l, 0, 80); len(got) != 80 {
		t.Fatal(len(got))
	}
	if err := n.Close(1); err != nil {
		t.Fatal(err)
	}
	n = openDisk(t, m)
	l = openTestLog(t, n, Config{SegmentBytes: 200})
	if got := values(t, l, 0, 80); len(got) != 80 {
		t.Fatal(len(got))
	}
}

func TestWaitDurableEnds(t *testing.T) {
	m := vfs.NewMem()
	hold := make(chan struct{})
	m.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.HasSuffix(name, ".log") {
			<-hold
		}
		return nil
	})
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	mustAppend(t, l, plainBatch("x"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.WaitDurable(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := l.WaitDurable(t.Context(), 2); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("beyond the end: %v", err)
	}
	if l.Durable() != 0 {
		t.Fatal("durable before its sync")
	}
	close(hold)
	durable(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitDurable(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatalf("the second time: %v", err)
	}
}
