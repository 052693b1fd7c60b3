package storage

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func TestAppendReadReopen(t *testing.T) {
	for _, fsys := range []struct {
		name string
		fs   vfs.FS
		dir  string
	}{{"mem", vfs.NewMem(), "/data"}, {"os", vfs.OS(), t.TempDir() + "/data"}} {
		t.Run(fsys.name, func(t *testing.T) {
			dir := func(o *Options) { o.Dir = fsys.dir }
			n := openDisk(t, fsys.fs, dir)
			l := openTestLog(t, n, Config{SegmentBytes: 2000, IndexInterval: 200})
			var want []string
			for i := range 100 {
				value := fmt.Sprint("value-", i)
				ticket := mustAppend(t, l, plainBatch(value, "second"))
				if ticket.BaseOffset != int64(2*i) || ticket.LastOffset != int64(2*i+1) || ticket.Duplicate {
					t.Fatalf("%+v", ticket)
				}
				want = append(want, fmt.Sprintf("%d=%s", 2*i, value), fmt.Sprintf("%d=second", 2*i+1))
			}
			durable(t, l, 200)
			if got := values(t, l, 0, 200); !slices.Equal(got, want) {
				t.Fatalf("got %v", got)
			}
			if err := n.Close(7); err != nil {
				t.Fatal(err)
			}
			n = openDisk(t, fsys.fs, dir)
			if epoch, clean := n.CleanShutdown(); epoch != 7 || !clean {
				t.Fatal(epoch, clean)
			}
			l = openTestLog(t, n, Config{SegmentBytes: 2000, IndexInterval: 200})
			if r := l.Recovery(); r.Scanned != 0 || r.CutBytes != 0 {
				t.Fatalf("%+v after a clean shutdown", r)
			}
			for from := int64(0); from < 200; from += 7 {
				if got := values(t, l, from, 200); !slices.Equal(got, want[from:]) {
					t.Fatalf("from %d: %v", from, got)
				}
			}
			if ticket := mustAppend(t, l, plainBatch("more")); ticket.BaseOffset != 200 {
				t.Fatal(ticket)
			}
		})
	}
}

func TestReadRespectsItsBounds(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	size := len(plainBatch("0"))
	for i := range 10 {
		mustAppend(t, l, plainBatch(fmt.Sprint(i)))
	}
	for _, c := range []struct {
		offset   int64
		maxBytes int
		upTo     int64
		batches  int
	}{
		{0, 1, 10, 1}, {0, 0, 10, 1}, {0, 3*size - 1, 10, 2}, {0, 3 * size, 10, 3}, {0, 1 << 20, 10, 10},
		{0, 1 << 20, 4, 4}, {4, 1 << 20, 4, 0}, {9, 1, 10, 1}, {10, 1, 10, 0}, {3, 1 << 20, 100, 7}, {2, 1, 1, 0},
	} {
		data, err := l.Read(c.offset, c.maxBytes, c.upTo)
		if err != nil || len(data) != c.batches*size || cap(data) > len(data)+len(data)/4+16 {
			t.Errorf("%+v: %d bytes of capacity %d, %v", c, len(data), cap(data), err)
		}
	}
	for _, offset := range []int64{-1, 11} {
		if _, err := l.Read(offset, 1, 100); !errors.Is(err, ErrOffsetOutOfRange) {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
}
