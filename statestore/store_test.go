package statestore

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	if _, err := Open(Options{FS: fsys, Dir: "/state", Identity: testIdentity}); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a held directory: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	other := func(change func(*Identity)) Identity {
		id := testIdentity
		change(&id)
		return id
	}
	for name, id := range map[string]Identity{
		"cluster":    other(func(id *Identity) { id.ClusterID = "other" }),
		"pipeline":   other(func(id *Identity) { id.Pipeline = "other" }),
		"changelog":  other(func(id *Identity) { id.ChangelogTopicID[3] = 9 }),
		"partitions": other(func(id *Identity) { id.Partitions = 7 }),
	} {
		_, err := Open(Options{FS: fsys, Dir: "/state", Identity: id})
		if !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), `pipeline "p"`) || strings.Contains(err.Error(), "\n") {
			t.Errorf("another %s: %v", name, err)
		}
	}
	openStore(t, fsys).Close() // none of the refusals changed it

	if err := vfs.WriteFile(fsys, "/state/identity", []byte("millrace-state 2\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{FS: fsys, Dir: "/state", Identity: testIdentity}); !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer directory: %v", err)
	}
	if err := vfs.MkdirAll(fsys, "/home"); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(fsys, "/home/thesis.tex", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{FS: fsys, Dir: "/home", Identity: testIdentity}); !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("somebody's directory: %v", err)
	}
}

func TestTasksShareNoPartition(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	a, err := s.Task([]int32{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]int32{{0}, {2, 2}, {-1}, {testPartitions}} {
		if _, err := s.Task(bad); err == nil {
			t.Errorf("Task(%v) is given", bad)
		}
	}
	if err := a.View("x").Put(2, 0, nil, nil); err == nil {
		t.Error("a write to a partition of nobody")
	}
	a.Release()
	a.Release()
	if _, err := s.Task([]int32{0, 1, 2}); err != nil {
		t.Errorf("after release: %v", err)
	}
}

// TestMemoryBudget fills a store beyond its budget: first the advice, then an error
// that says what to do, and after the abort everything is as before.
func TestMemoryBudget(t *testing.T) {
	s, err := Open(Options{FS: vfs.NewMem(), Dir: "/state", Identity: testIdentity, MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	task := restoreTask(t, s, []int32{0}, &changelog{})
	v := task.View("op")
	value := make([]byte, 1000)
	if err := v.Put(0, 7, []byte("first"), value); err != nil {
		t.Fatal(err)
	}
	task.Commit()
	advised := false
	for i := 0; err == nil; i++ {
		if i > 2000 {
			t.Fatal("2 MB went into a budget of 1 MiB")
		}
		advised = advised || task.OverBudget()
		err = v.Put(0, 8, []byte{byte(i), byte(i >> 8)}, value)
	}
	if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "operator op") || !strings.Contains(err.Error(), "options.state_memory") {
		t.Errorf("beyond the budget: %v", err)
	}
	if !advised {
		t.Error("OverBudget never said so")
	}
	task.Abort()
	if got, _ := v.Get(0, 7, []byte("first")); len(got) != 1000 {
		t.Errorf("the committed value has %d bytes", len(got))
	}
	if got, _ := v.Get(0, 8, []byte{0, 0}); got != nil {
		t.Error("an aborted value is there")
	}
	task.Release()
	if used, _ := s.MemoryBytes(); used != 0 {
		t.Errorf("%d bytes in use after release", used)
	}
}

// TestAbortsLeaveNoGarbage: an epoch that aborts over and over, as a poison row makes
// it, takes no more memory than one.
func TestAbortsLeaveNoGarbage(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	task := restoreTask(t, s, []int32{0}, &changelog{})
	v := task.View("op")
	if err := v.Put(0, 1, []byte("k"), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	task.Commit()
	var first int64
	for i := range 200 {
		for j := range 50 {
			value := make([]byte, 10_000)
			value[0] = byte(i)
			if err := v.Put(0, 1, []byte{byte(j)}, value); err != nil {
				t.Fatal(err)
			}
			if err := v.Put(0, 2, []byte("a key of its own, and a long one"), value); err != nil {
				t.Fatal(err)
			}
		}
		task.Abort()
		if used, _ := s.MemoryBytes(); i == 3 {
			first = used
		} else if i > 3 && used != first {
			t.Fatalf("after abort %d the store uses %d bytes, after abort 3 %d", i, used, first)
		}
	}
}

// TestOverwritesAreCompacted: values written over and over leave garbage that is
// cleared away between epochs, without harm to what lives.
func TestOverwritesAreCompacted(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	defer s.Close()
	task := restoreTask(t, s, []int32{0}, &changelog{})
	v := task.View("op")
	for epoch := range 300 {
		for j := range 20 {
			value := make([]byte, 1000+epoch)
			value[len(value)-1] = byte(epoch + j)
			if err := v.Put(0, 1, []byte{byte(j)}, value); err != nil {
				t.Fatal(err)
			}
		}
		task.Commit()
	}
	if used, _ := s.MemoryBytes(); used > 1<<20 {
		t.Errorf("26 kB of values take %d bytes", used)
	}
	for j := range 20 {
		if got, _ := v.Get(0, 1, []byte{byte(j)}); len(got) != 1299 || got[1298] != byte(299+j) {
			t.Fatalf("key %d has %d bytes", j, len(got))
		}
	}
}

// TestFullStateComesBack: state that nearly fills the budget loads, from disk or from
// the changelog, although it is there twice while it gets its layout.
func TestFullStateComesBack(t *testing.T) {
	fsys := vfs.NewMem()
	o := Options{FS: fsys, Dir: "/state", Identity: testIdentity, MemoryBytes: 1 << 20}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	log := &changelog{records: map[int32][]logRecord{}}
	task := restoreTask(t, s, []int32{0}, log)
	keys := 0
	for ; err == nil; keys++ {
		err = task.View("op").Put(0, 0, []byte{byte(keys), byte(keys >> 8)}, make([]byte, 100))
		if err == nil {
			commitEpoch(t, task, log, 1)
		}
	}
	task.Abort()
	keys--
	if err := task.Checkpoint(log.positions(1)); err != nil {
		t.Fatal(err)
	}
	task.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, disk := range []*vfs.Mem{fsys, vfs.NewMem()} {
		o.FS = disk
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		task := restoreTask(t, s, []int32{0}, log)
		if got, err := task.View("op").Get(0, 0, []byte{1, 0}); err != nil || len(got) != 100 {
			t.Errorf("a value of %d bytes, %v", len(got), err)
		}
		if got := task.Stats().Keys; got != int64(keys) {
			t.Errorf("%d keys of %d", got, keys)
		}
		task.Release()
		if used, _ := s.MemoryBytes(); used != 0 {
			t.Errorf("%d bytes in use after release", used)
		}
		s.Close()
	}
}
