package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"
)

// clones draws many outcomes of a crash and counts them by what look says.
func clones(m *Mem, look func(*Mem) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(200) {
		seen[look(m.CrashClone(rand.New(rand.NewPCG(seed, 0))))]++
	}
	return seen
}

func contents(name string) func(*Mem) string {
	return func(m *Mem) string {
		b, err := ReadFile(m, name, 1<<20)
		if errors.Is(err, fs.ErrNotExist) {
			return "missing"
		}
		return string(b)
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "f", []byte("kept")))
	if seen := clones(m, contents("f")); seen["kept"] != 200 {
		t.Fatal(seen)
	}
}

func TestCrashMayLoseNamesWithoutSyncDir(t *testing.T) {
	m := NewMem()
	put(t, m, "f", "x", true) // contents synced, name not
	seen := clones(m, contents("f"))
	if seen["missing"] == 0 || seen["x"] == 0 || len(seen) != 2 {
		t.Fatal(seen)
	}
}

func TestCrashMayLoseBytesWithoutSync(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "f", []byte("ab")))
	f, err := m.OpenAppend("f")
	must(t, err)
	_, err = f.Write([]byte("cd"))
	must(t, err)
	seen := clones(m, contents("f"))
	for _, want := range []string{"ab", "abcd", "ab\x00\x00"} {
		if seen[want] == 0 {
			t.Errorf("never %q in %v", want, seen)
		}
	}
	for got := range seen {
		if got[:2] != "ab" {
			t.Fatalf("lost synced bytes: %q", got)
		}
	}
}

// TestKillKeepsWhatWasWritten: a kill loses nothing, but a power cut after it does
// what it would have done before.
func TestKillKeepsWhatWasWritten(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "synced", []byte("ab")))
	put(t, m, "f", "x", false)
	must(t, m.Rename("synced", "moved"))
	killed := m.KillClone()
	put(t, m, "f", "changed", true) // not in the clone
	if got := contents("f")(killed) + contents("moved")(killed); got != "xab" {
		t.Fatal(got)
	}
	seen := clones(killed, func(m *Mem) string { return contents("f")(m) + "," + contents("moved")(m) })
	for _, want := range []string{"missing,missing", "x,ab", ",ab", "missing,ab"} {
		if seen[want] == 0 {
			t.Errorf("never %q in %v", want, seen)
		}
	}
	must(t, killed.SyncDir("/"))
	if seen := clones(killed, contents("moved")); seen["ab"] != 200 {
		t.Fatal(seen)
	}
}

func TestRenameIsAtomic(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "old", []byte("1")))
	must(t, WriteFile(m, "new", []byte("2")))
	must(t, m.Rename("old", "new"))
	seen := clones(m, func(m *Mem) string { return contents("old")(m) + "," + contents("new")(m) })
	if len(seen) != 2 || seen["1,2"] == 0 || seen["missing,1"] == 0 {
		t.Fatal(seen)
	}
	must(t, m.SyncDir("/"))
	if seen := clones(m, contents("new")); seen["1"] != 200 {
		t.Fatal(seen)
	}
}

func TestDirectoriesNeedTheirParentSynced(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("a/b"))
	put(t, m, "a/b/f", "x", true)
	must(t, m.SyncDir("a/b"))
	if seen := clones(m, contents("a/b/f")); seen["missing"] == 0 {
		t.Fatal("a synced file in a directory that nobody synced always survived")
	}
	must(t, m.SyncDir("/"))
	must(t, m.SyncDir("a"))
	if seen := clones(m, contents("a/b/f")); seen["x"] != 200 {
		t.Fatal(seen)
	}
	m = NewMem()
	must(t, MkdirAll(m, "a/b"))
	must(t, WriteFile(m, "a/b/f", []byte("x")))
	if seen := clones(m, contents("a/b/f")); seen["x"] != 200 {
		t.Fatal(seen)
	}
}

func TestCrashCloneIsAFunctionOfItsSeed(t *testing.T) {
	build := func() *Mem {
		m := NewMem()
		for i := range 20 {
			put(t, m, fmt.Sprint("f", i), "some text", i%2 == 0)
		}
		return m
	}
	dump := func(m *Mem) string {
		var out bytes.Buffer
		names, err := m.List("/")
		must(t, err)
		for _, name := range names {
			fmt.Fprintf(&out, "%s=%q\n", name, get(t, m, name))
		}
		return out.String()
	}
	a, b := build(), build()
	for seed := range uint64(50) {
		x, y := dump(a.CrashClone(rand.New(rand.NewPCG(seed, 1)))), dump(b.CrashClone(rand.New(rand.NewPCG(seed, 1))))
		if x != y {
			t.Fatalf("seed %d:\n%s\n%s", seed, x, y)
		}
	}
}

// TestWriteFileIsAtomicAtEveryCut cuts a replacement before each of its calls.
func TestWriteFileIsAtomicAtEveryCut(t *testing.T) {
	for cut := 1; ; cut++ {
		m := NewMem()
		must(t, WriteFile(m, "f", bytes.Repeat([]byte("o"), 9000)))
		rng := rand.New(rand.NewPCG(uint64(cut), 7))
		var clone *Mem
		calls := 0
		m.Inject(func(op Op, _ string) error {
			if calls++; calls == cut {
				clone = m.CrashClone(rng)
			}
			return nil
		})
		must(t, WriteFile(m, "f", bytes.Repeat([]byte("n"), 5000)))
		if clone == nil {
			break // past the last call
		}
		got := get(t, clone, "f")
		if got != string(bytes.Repeat([]byte("o"), 9000)) && got != string(bytes.Repeat([]byte("n"), 5000)) {
			t.Fatalf("cut %d: %d bytes of neither version", cut, len(got))
		}
	}
}
