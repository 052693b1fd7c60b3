package statestore

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestCrashLeavesAnEpochPrefix cuts the power at random calls of the file system
// while epochs commit and checkpoints are written and flushed. Whatever the disk
// then holds must be the state of exactly the epoch that its positions name (for
// checkpoints written in one slice), and replaying the changelog from there must
// give the state of the end.
func TestCrashLeavesAnEpochPrefix(t *testing.T) {
	for _, slice := range []int{1 << 20, 3000} {
		t.Run(fmt.Sprint("slice ", slice), func(t *testing.T) { crashes(t, newRand(t), slice) })
	}
}

func crashes(t *testing.T, rng *rand.Rand, slice int) {
	fsys := vfs.NewMem()
	var mu sync.Mutex
	var clones []*vfs.Mem
	var calls atomic.Int64
	cutRng := rand.New(rand.NewPCG(rng.Uint64(), 1)) // guarded by mu
	fsys.Inject(func(op vfs.Op, _ string) error {
		calls.Add(1)
		mu.Lock()
		defer mu.Unlock()
		if op.Changes() && cutRng.IntN(8) == 0 {
			clones = append(clones, fsys.CrashClone(cutRng))
		}
		return nil
	})
	s := openStore(t, fsys)
	log := &changelog{records: map[int32][]logRecord{}}
	all := []int32{0, 1, 2, 3, 4, 5}
	a := &actor{t: t, rng: rng, task: restoreTask(t, s, all, log), m: newModel()}
	history := map[uint64]map[modelKey]string{0: {}}
	for epoch := uint64(1); epoch <= 150; epoch++ {
		for range rng.IntN(40) {
			a.act()
		}
		commitEpoch(t, a.task, log, epoch)
		a.m.commit()
		history[epoch] = a.m.committed
		if epoch%3 == 0 && !a.task.Checkpointing() {
			if err := a.task.BeginCheckpoint(log.positions(epoch)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.task.StepCheckpoint(slice); err != nil {
			t.Fatal(err)
		}
		if epoch%5 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	fsys.Inject(nil)
	a.task.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]int{}
	for _, clone := range clones {
		epoch := checkClone(t, a, clone, log, history, slice > 3000)
		seen[epoch]++
	}
	t.Logf("%d calls, %d crashes, %d distinct epochs found", calls.Load(), len(clones), len(seen))
	if len(clones) < 20 || len(seen) < 5 {
		t.Error("too few crashes to mean anything")
	}
}

// checkClone opens what a crash left and returns the epoch that it holds.
func checkClone(t *testing.T, a *actor, clone *vfs.Mem, log *changelog, history map[uint64]map[modelKey]string, exact bool) uint64 {
	t.Helper()
	s := openStore(t, clone)
	defer s.Close()
	all := []int32{0, 1, 2, 3, 4, 5}
	task, err := s.Task(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := task.Load(); err != nil {
		t.Fatal(err)
	}
	pos, _ := task.Position(0)
	for _, p := range all {
		other, _ := task.Position(p)
		if other.Epoch != pos.Epoch || string(other.Meta) != string(pos.Meta) {
			t.Fatalf("partition %d is at epoch %d, partition 0 at %d", p, other.Epoch, pos.Epoch)
		}
	}
	if exact {
		if got := readTask(t, task); !maps.Equal(got, history[pos.Epoch]) {
			t.Fatalf("the disk says epoch %d and holds another state", pos.Epoch)
		}
	}
	task.Release()
	task = restoreTask(t, s, all, log)
	if got := readTask(t, task); !maps.Equal(got, a.m.committed) {
		t.Fatalf("after the replay from epoch %d (offset %d) the state is not that of the end", pos.Epoch, pos.Offset)
	}
	task.Release()
	return pos.Epoch
}

// TestFullDisk: a flush onto a full disk says so, the task goes on, and the next
// flush works once there is space.
func TestFullDisk(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	defer s.Close()
	log := &changelog{records: map[int32][]logRecord{}}
	task := restoreTask(t, s, []int32{0, 1, 2, 3, 4, 5}, log)
	v := task.View("a")
	put := func(value string) {
		for i := range 100 {
			if err := v.Put(int32(i%testPartitions), 0, fmt.Append(nil, i), []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("x")
	commitEpoch(t, task, log, 1)
	var full atomic.Bool
	full.Store(true)
	fsys.Inject(func(op vfs.Op, _ string) error {
		if full.Load() && (op == vfs.OpWrite || op == vfs.OpCreate) {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := task.Checkpoint(log.positions(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("flush onto a full disk: %v", err)
	}
	put("y")
	commitEpoch(t, task, log, 2)
	full.Store(false)
	if err := s.Flush(); err != nil {
		t.Fatalf("flush with space again: %v", err)
	}
	clone := fsys.CrashClone(rand.New(rand.NewPCG(1, 1)))
	s2 := openStore(t, clone)
	defer s2.Close()
	back := restoreTask(t, s2, []int32{0, 1, 2, 3, 4, 5}, log)
	if pos, ok := back.Position(3); !ok || pos.Epoch != 1 {
		t.Errorf("position %+v %v", pos, ok)
	}
	if got, _ := back.View("a").Get(1, 0, []byte("1")); string(got) != "y" {
		t.Errorf("after restore %q", got)
	}
}

// TestDropDuringCheckpoint: a key was removed, a checkpoint began, and before it came
// to the key's namespace the namespace was dropped. The drop gives no tombstone for a
// key that is gone already and the checkpoint skipped tables that are dropped, so the
// key stayed on disk below the checkpoint's position, and a restart brought it back.
func TestDropDuringCheckpoint(t *testing.T) {
	fsys := vfs.NewMem()
	s := openStore(t, fsys)
	log := &changelog{records: map[int32][]logRecord{}}
	task := restoreTask(t, s, []int32{0}, log)
	v := task.View("a")
	do := func(epoch uint64, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		commitEpoch(t, task, log, epoch)
	}
	key := []byte("removed")
	do(1, v.Put(0, 1, []byte("first"), key), v.Put(0, 5, key, key), v.Put(0, 5, []byte("other"), key))
	if err := errors.Join(task.Checkpoint(log.positions(1)), s.Flush()); err != nil {
		t.Fatal(err)
	}
	do(2, v.Put(0, 1, []byte("first"), []byte("again")), v.Delete(0, 5, key))
	if err := task.BeginCheckpoint(log.positions(2)); err != nil {
		t.Fatal(err)
	}
	if done, err := task.StepCheckpoint(1); done || err != nil {
		t.Fatal(done, err)
	}
	do(3, v.Drop(5))
	for done := false; !done; {
		var err error
		if done, err = task.StepCheckpoint(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Flush(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, fsys)
	defer s.Close()
	task = restoreTask(t, s, []int32{0}, log)
	if got, _ := task.View("a").Get(0, 5, key); got != nil {
		t.Error("a removed key is back")
	}
}
