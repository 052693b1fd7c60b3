package log

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// mountSmall mounts an empty file system of that size. It needs root.
func mountSmall(t *testing.T, sizeBytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", sizeBytes)); err != nil {
		t.Skipf("cannot mount a small file system, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A real disk fills up under a node, first to the reserve and then to the last byte.
// Producers get KAFKA_STORAGE_ERROR, the log has one line, everything acknowledged
// can be read, and with room the node goes on, without a restart and after one.
func TestARealDiskFillsUp(t *testing.T) {
	dir := mountSmall(t, 112<<20)
	out := newLogged()
	open := func() *Node {
		n, err := Open(t.Context(), Options{DataDir: dir + "/data", FS: vfs.OS(), Logger: out.logger(), strict: true})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open()
	s := n.Session(SessionOptions{})
	id := create(t, s, "t", 1)
	sent := 0
	send := func(sizeBytes int) int16 {
		t.Helper()
		p, err := sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", strings.Repeat("v", sizeBytes)})))
		if err != nil {
			t.Fatal(err)
		}
		if p.ErrorCode == 0 {
			sent++
		}
		return p.ErrorCode
	}
	until := func(refused bool, sizeBytes int) {
		t.Helper()
		for range 1000 {
			switch code := send(sizeBytes); {
			case code != 0 && code != kerr.KafkaStorageError.Code:
				t.Fatalf("error %d", code)
			case (code != 0) == refused:
				return
			}
			if !refused {
				time.Sleep(time.Millisecond) // of real disks nobody is told
			}
		}
		t.Fatalf("refused=%v never happened", refused)
	}
	until(true, 900_000)
	junk := filepath.Join(dir, "junk")
	if err := fillDisk(junk); err != nil {
		t.Fatal(err)
	}
	until(true, 1000) // what is left of the last page may take some
	for range 100 {
		if code := send(1000); code != kerr.KafkaStorageError.Code {
			t.Fatalf("error %d on a disk without a byte of room", code)
		}
	}
	if lines := strings.Count(out.String(), "the disk is full"); lines != 1 {
		t.Errorf("%d lines about it\n%s", lines, out)
	}
	if values, _ := readAll(t, s, id, 0); len(values) != sent {
		t.Errorf("%d records of %d can be read", len(values), sent)
	}
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", 256<<20)); err != nil {
		t.Fatal(err)
	}
	until(false, 1000)
	closeNode(t, n)
	n = open()
	defer closeNode(t, n)
	s = n.Session(SessionOptions{})
	if values, _ := readAll(t, s, id, 0); len(values) != sent {
		t.Errorf("%d records of %d after a restart", len(values), sent)
	}
}

// fillDisk writes until there is no room.
func fillDisk(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}
