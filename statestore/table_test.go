package statestore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/vfs"
)

// TestLargeTable counts a hundred thousand keys of all lengths, through growth, aborts
// and batches that name a key several times, against a map.
func TestLargeTable(t *testing.T) {
	rng := newRand(t)
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	task := restoreTask(t, s, []int32{0, 1}, &changelog{})
	ts, err := task.View("op").Tables(0, Layout{Words: 2})
	if err != nil {
		t.Fatal(err)
	}
	want, committed := map[string]uint64{}, map[string]uint64{}
	slots := make([]Slot, 4096)
	for round := range 60 {
		var k Keys
		var sel []int32
		k.Off = append(k.Off, 0)
		for i := range int32(4096) {
			n := rng.IntN(100_000)
			key := fmt.Sprintf("%d%s", n, strings.Repeat("x", n%25))
			k.Data = append(k.Data, key...)
			k.Off = append(k.Off, int32(len(k.Data)))
			k.Hash = append(k.Hash, xxh3.HashString(key))
			k.Partition = append(k.Partition, int32(n%2))
			if n%7 > 0 {
				sel = append(sel, i)
				want[key]++
			}
		}
		if err := ts.At(3).Upsert(&k, sel, slots[:len(sel)]); err != nil {
			t.Fatal(err)
		}
		for _, slot := range slots[:len(sel)] {
			ts.At(3).Words()[slot+1]++
		}
		if rng.IntN(5) == 0 {
			task.Abort()
			want = map[string]uint64{}
			for key, n := range committed {
				want[key] = n
			}
		} else if round%3 == 0 {
			task.Commit()
			for key, n := range want {
				committed[key] = n
			}
		}
	}
	table := ts.At(3)
	if len(table.idx.entries) < largeIndex {
		t.Fatalf("an index of %d entries is not large", len(table.idx.entries))
	}
	var sorter Sorter
	last, n := "", 0
	for _, slot := range sorter.Sort(table) {
		key := string(table.Key(nil, slot))
		if key <= last {
			t.Fatalf("%q after %q", key, last)
		}
		if last = key; table.Words()[slot+1] != want[key] {
			t.Fatalf("%q counts %d, want %d", key, table.Words()[slot+1], want[key])
		}
		n++
	}
	if n != len(want) || n != table.Len() {
		t.Errorf("%d keys of %d, Len is %d", n, len(want), table.Len())
	}
}
