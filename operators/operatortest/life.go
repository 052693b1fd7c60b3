package operatortest

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/statestore"
)

// A trial goes through lives: from open to a crash or the end. Epochs divide a life.

// open starts a life on a disk: opens the store, restores the state and makes
// instances.
func (tr *trial) open(fsys *vfs.Mem) {
	tr.fsys = fsys
	if tr.plan.Key == nil {
		tr.instances = []*instance{{}}
		tr.start(tr.instances[0])
		return
	}
	store, err := statestore.Open(statestore.Options{FS: fsys, Dir: "/state", Logger: slog.New(slog.DiscardHandler),
		Identity: statestore.Identity{Pipeline: "operatortest", Partitions: statePartitions}})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.store, tr.instances = store, nil
	tasks := 1
	if tr.rng != nil {
		tasks += tr.rng.IntN(3)
	}
	for range tasks {
		tr.instances = append(tr.instances, &instance{})
	}
	for p := range int32(statePartitions) {
		inst := tr.instances[int(p)%tasks]
		inst.partitions = append(inst.partitions, p)
	}
	for _, inst := range tr.instances {
		tr.restore(inst)
		tr.start(inst)
	}
}

// restore brings an instance's state up from the disk and the changelog.
func (tr *trial) restore(inst *instance) {
	task, err := tr.store.Task(inst.partitions)
	if err == nil {
		err = task.Load()
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	inst.task = task
	for _, p := range inst.partitions {
		pos, _ := task.Position(p)
		for _, c := range tr.changelog[p][pos.Offset:] {
			if err := task.Restore(p, c.key, c.value); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
}

// start makes and opens an operator.
func (tr *trial) start(inst *instance) {
	op, err := tr.plan.New()
	if err != nil {
		tr.t.Fatalf("New: %v", err)
	}
	inst.op = op
	ctx := &operators.Context{Name: "under_test"}
	if inst.task != nil {
		ctx.State = inst.task.View("under_test")
		if err := ctx.State.CheckLayout(tr.plan.StateVersion, tr.plan.StateLayout); err != nil {
			tr.t.Fatal(err)
		}
	}
	if err := op.Open(ctx); err != nil {
		tr.t.Fatalf("Open: %v", err)
	}
}

// commit ends the epoch: changes go to the changelog, output and positions count.
func (tr *trial) commit() {
	tr.epoch++
	for _, inst := range tr.instances {
		if inst.task == nil {
			continue
		}
		err := inst.task.Changes(func(p int32, key, value []byte) error {
			tr.changelog[p] = append(tr.changelog[p], change{slices.Clone(key), slices.Clone(value)})
			return nil
		})
		if err != nil {
			tr.t.Fatal(err)
		}
		inst.task.Commit()
	}
	for _, s := range tr.streams {
		s.committed = s.taken
	}
	tr.out.commit()
	tr.forwarded = tr.out.forwarded
}

// abort takes the epoch back: instances are discarded, rows will come again.
func (tr *trial) abort() {
	for _, inst := range tr.instances {
		tr.closeOperator(inst)
		if inst.task != nil {
			inst.task.Abort()
		}
		tr.start(inst)
	}
	tr.rewind()
}

func (tr *trial) rewind() {
	for _, s := range tr.streams {
		s.taken = s.committed
	}
	tr.out.abort()
	tr.out.forwarded = tr.forwarded
}

// crash ends a life; the next one begins on what the disk kept, or on a new one.
func (tr *trial) crash() {
	fsys := tr.fsys
	switch tr.rng.IntN(3) {
	case 0:
		fsys = vfs.NewMem()
	case 1:
		fsys = fsys.CrashClone(tr.rng)
	}
	tr.stop()
	tr.rewind()
	tr.open(fsys)
}

func (tr *trial) checkpoint() {
	tr.commit()
	at := map[int32]statestore.Position{}
	for p := range int32(statePartitions) {
		at[p] = statestore.Position{Offset: int64(len(tr.changelog[p])), Epoch: tr.epoch, Time: time.Unix(0, 0)}
	}
	for _, inst := range tr.instances {
		if inst.task == nil {
			return
		}
		if err := inst.task.Checkpoint(at); err != nil {
			tr.t.Fatal(err)
		}
	}
	if tr.rng.IntN(2) == 0 {
		if err := tr.store.Flush(); err != nil {
			tr.t.Fatal(err)
		}
	}
}

// stop ends a life.
func (tr *trial) stop() {
	for _, inst := range tr.instances {
		tr.closeOperator(inst)
		if inst.task != nil {
			inst.task.Release()
		}
	}
	if tr.store != nil {
		if err := tr.store.Close(); err != nil {
			tr.t.Fatal(fmt.Errorf("close the store: %w", err))
		}
		tr.store = nil
	}
}

func (tr *trial) closeOperator(inst *instance) {
	if err := inst.op.Close(); err != nil {
		tr.t.Errorf("Close: %v", err)
	}
}
