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
