package vfs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// both runs a test on the operating system's file system and on Mem: they must
// not differ in what callers see.
func both(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, OS(), t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := NewMem()
		must(t, MkdirAll(m, "/data"))
		test(t, m, "/data")
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, fsys FS, name, text string, sync bool) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = f.Write([]byte(text))
	must(t, err)
	if sync {
		must(t, f.SyncData())
	}
	must(t, f.Close())
}

func get(t *testing.T, fsys FS, name string) string {
	t.Helper()
	b, err := ReadFile(fsys, name, 1<<20)
	must(t, err)
	return string(b)
}

func TestFilesAndNames(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		name := dir + "/a/b/file"
		must(t, MkdirAll(fsys, dir+"/a/b"))
		put(t, fsys, name, "hello", true)
		f, err := fsys.OpenAppend(name)
		must(t, err)
		_, err = f.Write([]byte(" world"))
		must(t, err)
		must(t, f.Truncate(7))
		_, err = f.Write([]byte("e"))
		must(t, err)
		if n, err := f.Size(); n != 8 || err != nil {
			t.Fatalf("size %d %v", n, err)
		}
		buf := make([]byte, 20)
		if n, _ := f.ReadAt(buf, 4); string(buf[:n]) != "o we" {
			t.Fatalf("read %q", buf[:n])
		}
		must(t, f.Close())
		must(t, fsys.Link(name, dir+"/a/link"))
		if err := fsys.Link(name, dir+"/a/link"); !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		must(t, fsys.Rename(name, dir+"/a/moved"))
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		names, err := fsys.List(dir + "/a")
		must(t, err)
		if !slices.Equal(names, []string{"b", "link", "moved"}) {
			t.Fatal(names)
		}
		if got := get(t, fsys, dir+"/a/link"); got != "hello we" {
			t.Fatalf("%q", got)
		}
		if err := fsys.Remove(dir + "/a"); err == nil {
			t.Fatal("removed a directory that is not empty")
		}
		must(t, fsys.SyncDir(dir+"/a"))
		must(t, fsys.RemoveAll(dir+"/a"))
		must(t, fsys.RemoveAll(dir+"/a"))
		if _, err := fsys.Stat(dir + "/a"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if n, err := fsys.Free(dir); n == 0 || err != nil {
			t.Fatal(n, err)
		}
	})
}

// TestOverwrite changes a file in place: the rest of it and its size stay, and
// nothing but a file from OpenWrite can be changed so.
func TestOverwrite(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		name := dir + "/f"
		must(t, WriteFile(fsys, name, bytes.Repeat([]byte("a"), 3*pageSize)))
		f, err := fsys.OpenWrite(name)
		must(t, err)
		if n, err := f.WriteAt(bytes.Repeat([]byte("b"), pageSize), pageSize/2); n != pageSize || err != nil {
			t.Fatal(n, err)
		}
		must(t, f.SyncData())
		must(t, f.Close())
		want := bytes.Repeat([]byte("a"), 3*pageSize)
		copy(want[pageSize/2:], bytes.Repeat([]byte("b"), pageSize))
		got, err := ReadFile(fsys, name, 1<<20)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Fatal("other bytes than those that were written have changed")
		}
		f, err = fsys.OpenAppend(name)
		must(t, err)
		defer f.Close()
		if _, err := f.WriteAt([]byte("x"), 0); err == nil {
			t.Fatal("overwrote a file that is open for appending")
		}
	})
}

// TestOverwriteNeedsNoSpace: a full disk takes what replaces older contents, and no
// more.
func TestOverwriteNeedsNoSpace(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "/f", make([]byte, 100)))
	m.Limit(m.Used())
	f, err := m.OpenWrite("/f")
	must(t, err)
	if n, err := f.WriteAt(make([]byte, 60), 40); n != 60 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := f.WriteAt(make([]byte, 60), 60); n != 40 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(n, err)
	}
}

// TestOverwriteIsTorn: until a sync, a crash leaves old pages, new ones, and some of
// both; after it, the new ones.
func TestOverwriteIsTorn(t *testing.T) {
	m := NewMem()
	must(t, WriteFile(m, "/f", bytes.Repeat([]byte("a"), 8*pageSize)))
	must(t, m.SyncDir("/"))
	f, err := m.OpenWrite("/f")
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte("b"), 8*pageSize), 0)
	must(t, err)
	left := func(seed uint64) (old, now int) {
		b, err := ReadFile(m.CrashClone(rand.New(rand.NewPCG(seed, 0))), "/f", 1<<20)
		must(t, err)
		return bytes.Count(b, []byte("a")), bytes.Count(b, []byte("b"))
	}
	mixed := false
	for seed := range uint64(20) {
		old, now := left(seed)
		if old+now != 8*pageSize {
			t.Fatalf("%d old and %d new bytes of %d", old, now, 8*pageSize)
		}
		mixed = mixed || old > 0 && now > 0
	}
	if !mixed {
		t.Fatal("no crash left some of both")
	}
	must(t, f.SyncData())
	if old, _ := left(1); old != 0 {
		t.Fatalf("%d bytes went back after a sync", old)
	}
}

func TestLockIsExclusive(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		held, err := fsys.Lock(dir + "/LOCK")
		must(t, err)
		if _, err := fsys.Lock(dir + "/LOCK"); !errors.Is(err, ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		must(t, held.Close())
		again, err := fsys.Lock(dir + "/LOCK")
		must(t, err)
		must(t, again.Close())
	})
}

func TestReadFileRefusesMoreThanItsLimit(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		must(t, WriteFile(fsys, dir+"/f", []byte("12345")))
		if _, err := ReadFile(fsys, dir+"/f", 4); err == nil {
			t.Fatal("read five bytes with a limit of four")
		}
		names, _ := fsys.List(dir)
		if !slices.Equal(names, []string{"f"}) {
			t.Fatalf("left behind: %v", names)
		}
	})
}

func TestDiskFullWritesWhatFits(t *testing.T) {
	m := NewMem()
	m.Limit(10)
	f, err := m.Create("f")
	must(t, err)
	n, err := f.Write(make([]byte, 16))
	if n != 10 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(n, err)
	}
	must(t, f.Truncate(4))
	if _, err := f.Write(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	must(t, m.Remove("f"))
	if m.Used() != 0 {
		t.Fatalf("%d bytes in no file", m.Used())
	}
}

func TestInjectedErrorsReplaceCalls(t *testing.T) {
	m := NewMem()
	put(t, m, "f", "abc", true)
	boom := errors.New("boom")
	m.Inject(func(op Op, name string) error {
		switch op {
		case OpWrite:
			return &PartialWrite{N: 2, Err: boom}
		case OpRemove:
			return boom
		}
		return nil
	})
	f, err := m.OpenAppend("f")
	must(t, err)
	if n, err := f.Write([]byte("def")); n != 2 || !errors.Is(err, boom) {
		t.Fatal(n, err)
	}
	if err := m.Remove("f"); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	m.Inject(nil)
	if got := get(t, m, "f"); got != "abcde" {
		t.Fatalf("%q", got)
	}
}

// TestPagesAgainstBytes compares the paged file with a plain slice.
func TestPagesAgainstBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var f pagedFile
	var want []byte
	for range 2000 {
		switch rng.IntN(4) {
		case 0:
			size := rng.IntN(len(want) + 5000)
			f.truncate(int64(size))
			if size > len(want) {
				want = append(want, make([]byte, size-len(want))...)
			}
			want = want[:size]
		case 1:
			f.sync()
		default:
			p := bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, rng.IntN(3*pageSize))
			f.append(p)
			want = append(want, p...)
		}
		got := make([]byte, len(want)+10)
		if n := f.readAt(got, 0); n != len(want) || !bytes.Equal(got[:n], want) {
			t.Fatalf("%d bytes, want %d", n, len(want))
		}
	}
}
