package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestReadAtTheEndOpensNothing: who reads what was appended lately does so through the
// file that it is appended to. A node with a thousand partitions that were written to
// and read in turn once opened and closed a file for each of them in every Fetch.
func TestReadAtTheEndOpensNothing(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	for i := range 3 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i), "more"))
	}
	if got := values(t, l, 0, 6); len(got) != 6 {
		t.Fatalf("read %q", got)
	}
	if n := len(l.disk.handles.bySeg); n != 0 {
		t.Fatalf("%d segments are open for reading", n)
	}
}

// TestReadWhileTheFileIsClosed: nobody waits for readers to close the file that is
// appended to. They notice it, and read on through a file of their own.
func TestReadWhileTheFileIsClosed(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	mustAppend(t, l, plainBatch("a"))
	durable(t, l, 1)
	v, err := l.view(0, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	closeNow(l)
	if _, _, err := v.read(0, 1000, 1); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("the view is of a file that is closed, and says %v", err)
	}
	v.release()

	// Log.Read between any two steps of that.
	var wg sync.WaitGroup
	var over atomic.Bool
	for range 2 {
		wg.Go(func() {
			for !over.Load() {
				if got, err := readValues(l, 0, 1, math.MaxInt32); err != nil || len(got) != 1 || got[0] != "0=a" {
					t.Errorf("read %q, %v", got, err)
					return
				}
			}
		})
	}
	for i := range 300 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i)))
		durable(t, l, int64(i+2))
		closeNow(l)
	}
	over.Store(true)
	wg.Wait()
}

// closeNow is closeIdle, whatever the commit loop does.
func closeNow(l *Log) {
	l.writing.lock()
	l.syncing.lock()
	l.closeActive()
	l.disk.commit.add(l)
	l.syncing.unlock()
	l.writing.unlock()
}
