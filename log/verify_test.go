package log

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/millrace/millrace/log/record"
)

// lived is a disk on which a node has made topics, as a kill and as a shutdown leave
// it, and the topics' ids.
func lived(t *testing.T) (killed, closed *vfs.Mem, ids map[string]meta.ID) {
	t.Helper()
	disk := vfs.NewMem()
	ids = map[string]meta.ID{}
	for life := range 2 {
		n := openNode(t, disk)
		s := n.Session(SessionOptions{})
		for _, name := range []string{"a", "b"} {
			name = fmt.Sprint(name, life)
			ids[name] = create(t, s, name, 2)
			req := produceRequest(name, ids[name], batchOf(record.Plain(), [2]string{"k", "v"}))
			if p, err := sessionProduce(within(t), s, req); err != nil || p.ErrorCode != 0 {
				t.Fatalf("%v, error %d", err, p.ErrorCode)
			}
		}
		killed = disk.KillClone()
		closeNode(t, n)
	}
	return killed, disk, ids
}

func mustVerify(t *testing.T, fsys vfs.FS) VerifyReport {
	t.Helper()
	r, err := verify(t.Context(), fsys, "data")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerifyChangesNothing: neither on a disk that was shut down in order nor on one
// whose node was killed, with its metadata in Pebble's write-ahead log.
func TestVerifyChangesNothing(t *testing.T) {
	killed, closed, _ := lived(t)
	for name, disk := range map[string]*vfs.Mem{"killed": killed, "closed": closed} {
		disk.Inject(func(op vfs.Op, file string) error {
			if op.Changes() {
				t.Errorf("%s: %s of %s", name, op, file)
			}
			return nil
		})
		r := mustVerify(t, disk)
		disk.Inject(nil)
		if r.Damage() > 0 || r.Topics != 6 || r.MetadataEntries < 8 || r.Partitions != 8+32 {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "closed" && len(r.Findings) > 0 {
			t.Errorf("%+v", r.Findings)
		}
	}
}

// TestVerifyComparesMetadata: what the metadata and the directories say of each other.
func TestVerifyComparesMetadata(t *testing.T) {
	killed, closed, ids := lived(t)
	dir := func(name string, partition int32) string {
		return "data/topics/" + storage.TopicPartition{TopicID: ids[name], Partition: partition}.String()
	}
	for _, c := range []struct {
		name   string
		disk   *vfs.Mem
		change func(*vfs.Mem) error
		kind   string
		words  string
	}{
		{"lost", closed, func(m *vfs.Mem) error { return m.RemoveAll(dir("a0", 1)) }, storage.Damaged, `partition 1 of topic "a0" is missing`},
		{"perhaps never made", killed, func(m *vfs.Mem) error { return m.RemoveAll(dir("a0", 1)) }, storage.Unfinished, "has no directory"},
		{"just made", closed, func(m *vfs.Mem) error { return m.RemoveAll(dir("b1", 1)) }, storage.Unfinished, "has no directory"},
		{"unknown", closed, func(m *vfs.Mem) error { return m.MkdirAll(path.Dir(dir("a0", 0)) + "/7") }, storage.Unknown, "knows no such partition"},
		{"no metadata", closed, func(m *vfs.Mem) error { return m.RemoveAll("data/metadata") }, storage.Damaged, "metadata is missing"},
		{"no metadata after a crash", killed, func(m *vfs.Mem) error { return m.RemoveAll("data/metadata") }, storage.Damaged, "metadata is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := c.disk.KillClone()
			if err := c.change(disk); err != nil {
				t.Fatal(err)
			}
			r := mustVerify(t, disk)
			found := slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.File == "journal" })
			if len(found) != 1 || found[0].Kind != c.kind || !strings.Contains(found[0].What, c.words) || found[0].Do == "" {
				t.Errorf("%+v", r.Findings)
			}
		})
	}

	t.Run("deleted", func(t *testing.T) {
		disk := closed.KillClone()
		n := openNode(t, disk)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = 10_000
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: ids["a0"]}}
		if resp, err := req.RequestWith(within(t), n.Session(SessionOptions{})); err != nil || resp.Topics[0].ErrorCode != 0 {
			t.Fatalf("%v %+v", err, resp)
		}
		closeNode(t, n)
		if err := disk.MkdirAll(dir("a0", 0)); err != nil {
			t.Fatal(err)
		}
		r := mustVerify(t, disk)
		if len(r.Findings) != 1 || r.Findings[0].Kind != storage.Unfinished || !strings.Contains(r.Findings[0].What, "topic was deleted") {
			t.Errorf("%+v", r.Findings)
		}
	})

	t.Run("of another cluster", func(t *testing.T) {
		other := vfs.NewMem()
		closeNode(t, openNode(t, other))
		b, err := vfs.ReadFile(other, "data/node", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		disk := closed.KillClone()
		if err := vfs.WriteFile(disk, "data/node", b); err != nil {
			t.Fatal(err)
		}
		if r := mustVerify(t, disk); r.Damage() != 1 || !strings.Contains(r.Findings[0].What, "belongs to cluster") {
			t.Errorf("%+v", r.Findings)
		}
	})
}

// TestLostMetadataRefusesEveryStart: somebody has removed the metadata. The first start
// refused, but had begun new metadata by then; the second one found it, and moved all
// partitions to quarantine.
func TestLostMetadataRefusesEveryStart(t *testing.T) {
	_, disk, _ := lived(t)
	if err := disk.RemoveAll("data/metadata"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := Open(t.Context(), Options{DataDir: "data", FS: disk, Logger: discard()})
		if !errors.Is(err, ErrMetadataDamaged) || !strings.Contains(err.Error(), "backup") {
			t.Fatal(err)
		}
	}
	if names, err := disk.List("data/quarantine"); err != nil || len(names) > 0 {
		t.Errorf("in quarantine: %v, %v", names, err)
	}
}

// TestARefusedStartIsNoShutdown: after a power cut the metadata was damaged, so the node
// did not start, but marked its directory as shut down in order: what the crash had left
// of segments was then called damage.
func TestARefusedStartIsNoShutdown(t *testing.T) {
	killed, closed, _ := lived(t)
	for name, disk := range map[string]*vfs.Mem{"killed": killed, "closed": closed} {
		disk = disk.KillClone()
		if err := disk.RemoveAll("data/metadata"); err != nil {
			t.Fatal(err)
		}
		before := mustVerify(t, disk)
		for range 2 {
			if _, err := Open(t.Context(), Options{DataDir: "data", FS: disk, Logger: discard()}); !errors.Is(err, ErrMetadataDamaged) {
				t.Fatal(err)
			}
		}
		if after := mustVerify(t, disk); after.Clean != before.Clean || after.Clean != (name == "closed") {
			t.Errorf("%s: clean %v, %v after a start that was refused", name, before.Clean, after.Clean)
		}
	}
}

// TestVerifyAfterKill kills a process with SIGKILL that runs a node on a real file
// system, and verifies what it leaves; while it runs, it is told to stop the node.
func TestVerifyAfterKill(t *testing.T) {
	const env = "MILLRACE_TEST_VERIFY_DIR"
	if dir := os.Getenv(env); dir != "" {
		n, err := Open(context.Background(), Options{DataDir: dir, Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			create(t, n.Session(SessionOptions{}), fmt.Sprint("topic-", i), 1)
		}
		fmt.Println("made")
		select {} // until it is killed
	}
	dir := filepath.Join(t.TempDir(), "data")
	child := exec.Command(os.Args[0], "-test.run=^TestVerifyAfterKill$")
	child.Env = append(os.Environ(), env+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = child.Process.Kill(); _ = child.Wait() }
	defer kill()
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "made"; {
	}
	if _, err := Verify(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "stop the node") {
		t.Errorf("while it runs: %v", err)
	}
	kill()

	before := treeOf(t, dir)
	walBytes := 0
	for name, b := range before {
		if strings.HasSuffix(name, ".log") && strings.Contains(name, "metadata") {
			walBytes += len(b)
		}
	}
	r, err := Verify(t.Context(), dir)
	if err != nil || r.Damage() > 0 || r.Topics != 22 || walBytes < 1000 {
		t.Errorf("%v, %d bytes in the write-ahead log: %+v", err, walBytes, r)
	}
	if !maps.Equal(before, treeOf(t, dir)) {
		t.Error("it has changed the directory")
	}
	// A backup need not have the lock.
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	delete(before, "LOCK")
	if _, err := Verify(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if !maps.Equal(before, treeOf(t, dir)) {
		t.Error("it has left a lock behind")
	}
}

// treeOf is every file below a directory with its bytes, and every directory.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || d.IsDir() {
			files[rel+"/"] = ""
			return err
		}
		b, err := os.ReadFile(name)
		files[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestOpenSaysOnceWhatFailed: the disk fails while the node opens.
func TestOpenSaysOnceWhatFailed(t *testing.T) {
	_, disk, _ := lived(t)
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.HasSuffix(name, ".log") && strings.Contains(name, "/"+metadataDir+"/") {
			return &fs.PathError{Op: "sync", Path: name, Err: syscall.EIO}
		}
		return nil
	})
	_, err := Open(t.Context(), Options{DataDir: "data", FS: disk, Logger: discard()})
	if !errors.Is(err, syscall.EIO) || strings.Count(err.Error(), syscall.EIO.Error()) != 1 {
		t.Errorf("Open says %v", err)
	}
}
