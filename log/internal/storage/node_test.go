package storage

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestRefusals opens directories that are not for this process. Each is refused in
// one sentence, and left as it is.
func TestRefusals(t *testing.T) {
	put := func(name, text string) func(*testing.T, vfs.FS) {
		return func(t *testing.T, fsys vfs.FS) {
			if err := vfs.WriteFile(fsys, "/data/"+name, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	newer := appendFrame(nil, kindNode, make([]byte, 60))
	newer[13] = 2
	for name, c := range map[string]struct {
		change  func(*testing.T, vfs.FS)
		options func(*Options)
		say     string
	}{
		"another cluster": {nil, func(o *Options) { o.ClusterID = topic }, "belongs to cluster"},
		"another node":    {nil, func(o *Options) { o.NodeID = 5 }, "belongs to node 1, not 5"},
		"unknown entry":   {put("notes.txt", "x"), nil, `holds "notes.txt"`},
		"a newer format":  {put("node", string(newer)), nil, "newer version"},
		"a damaged node":  {put("node", "rubbish"), nil, "damaged"},
		"a journal":       {put("journal/1", "x"), nil, "journal"},
		"no node file": {func(t *testing.T, fsys vfs.FS) {
			if err := fsys.Remove("/data/node"); err != nil {
				t.Fatal(err)
			}
		}, nil, `no file "node"`},
		"held": {func(t *testing.T, fsys vfs.FS) {
			if _, err := fsys.Lock("/data/LOCK"); err != nil {
				t.Fatal(err)
			}
		}, nil, "in use by another process"},
	} {
		t.Run(name, func(t *testing.T) {
			m := vfs.NewMem()
			n, err := tryDisk(m)
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, openTestLog(t, n, Config{}), plainBatch("x"))
			if err := n.Close(1); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(t, m)
			}
			before := tree(t, m, "/data")
			options := func(o *Options) {
				if c.options != nil {
					c.options(o)
				}
			}
			_, err = tryDisk(m, options)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			if after := tree(t, m, "/data"); after != before {
				t.Fatalf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// tree lists all files with their contents' sizes.
func tree(t *testing.T, fsys vfs.FS, dir string) string {
	t.Helper()
	var out bytes.Buffer
	names, err := fsys.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := fsys.Stat(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			out.WriteString(tree(t, fsys, dir+"/"+name))
			continue
		}
		b, err := vfs.ReadFile(fsys, dir+"/"+name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(dir + "/" + name + " " + string(b) + "\n")
	}
	return out.String()
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	m := vfs.NewMem()
	if err := vfs.MkdirAll(m, "/data/photos"); err != nil {
		t.Fatal(err)
	}
	if _, err := tryDisk(m); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if _, err := m.Stat("/data/node"); err == nil {
		t.Fatal("a node file was put there")
	}
}

func TestIdentityIsKept(t *testing.T) {
	m := vfs.NewMem()
	n := openDisk(t, m, func(o *Options) { o.NodeID = 3; o.Entries = []string{"metadata"} })
	first := n.Identity()
	if !first.New || first.NodeID != 3 || first.ClusterID == [16]byte{} || first.DirectoryID == [16]byte{} {
		t.Fatalf("%+v", first)
	}
	if err := vfs.MkdirAll(m, "/data/metadata"); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
	again := openDisk(t, m, func(o *Options) { o.ClusterID = first.ClusterID; o.Entries = []string{"metadata"} }).Identity()
	first.New = false
	if again != first {
		t.Fatalf("%+v, then %+v", first, again)
	}
}

func TestUncleanShutdownIsSeen(t *testing.T) {
	m := vfs.NewMem()
	openDisk(t, m)
	after := openDisk(t, m.CrashClone(randomSource(t)))
	if _, clean := after.CleanShutdown(); clean {
		t.Fatal("a crash counts as clean")
	}
}

func TestOptionsReportEveryFault(t *testing.T) {
	_, err := Open(Options{NodeID: -1, Policy: 9})
	for _, want := range []string{"file system", "data directory", "node id -1", "policy(9)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
