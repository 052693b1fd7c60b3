package storage

import (
	"fmt"
	"testing"
)

func TestOffsetMap(t *testing.T) {
	m := newOffsetMap(1 << 20)
	want := map[string]int64{}
	full := false
	for i := int64(0); !full; i++ {
		key := fmt.Sprint("key-", i*7919%50_000)
		if full = !m.put([]byte(key), i); !full {
			want[key] = i
		}
	}
	if n := len(want); m.used != n || n < 10_000 || int64(len(m.slots)*mapSlotBytes) > 1<<20 {
		t.Fatalf("%d keys, %d used, %d slots in 1 MiB", n, m.used, len(m.slots))
	}
	for key, offset := range want {
		if got := m.latest([]byte(key)); got != offset {
			t.Fatalf("%s: %d, want %d", key, got, offset)
		}
	}
	if got := m.latest([]byte("none")); got != -1 {
		t.Fatal(got)
	}
	m.reset()
	if m.latest([]byte("key-0")) != -1 || !m.put([]byte("key-0"), 5) || m.latest([]byte("key-0")) != 5 {
		t.Fatal("after a reset")
	}
}
