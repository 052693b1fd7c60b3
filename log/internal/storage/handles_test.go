package storage

import (
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestOpenSegmentsAreBounded reads a log of many segments from many goroutines and
// counts the files that stay open.
func TestOpenSegmentsAreBounded(t *testing.T) {
	const limit = 5
	m := vfs.NewMem()
	n := openDisk(t, m, func(o *Options) { o.MaxOpenSegments = limit })
	l := openTestLog(t, n, Config{SegmentBytes: 200})
	for i := range 60 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i), "padding padding padding padding"))
	}
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := readValues(l, 0, 120, 1000)
			if err != nil || len(got) != 120 {
				t.Errorf("%d records, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if _, err := l.Read(0, 1, 120); err != nil { // the next one puts the rest out
		t.Fatal(err)
	}
	n.handles.mu.Lock()
	defer n.handles.mu.Unlock()
	if got := n.handles.recent.Len(); got > limit || got != len(n.handles.bySeg) {
		t.Fatalf("%d open segments in a list of %d", len(n.handles.bySeg), got)
	}
	for _, h := range n.handles.bySeg {
		if h.refs != 0 {
			t.Fatal("a handle is still held")
		}
	}
}
