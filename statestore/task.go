package statestore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrMemory is wrapped by writes that would take the store beyond its budget.
var ErrMemory = errors.New("state memory is used up")

// Task is the live state of a set of state partitions. One goroutine at a time
// uses it and its views.
//
// Life of a task, in the engine's order:
//
//	Load                              Pebble's content comes up
//	Position(p), Restore(p, k, v)...  the changelog's tail, committed records only
//	View(op)                          operators open
//	{ writes; Changes; Commit | Abort }   epochs
//	Checkpoint (between epochs), Store.Flush
//	Release                           the partitions are free again
//
// Invariants:
//
//  1. Between epochs the tables hold exactly the state after the last committed
//     epoch.
//  2. What Changes gave for an epoch, applied in order to the state before it,
//     gives the state after it.
//  3. Pebble never holds a value of an uncommitted epoch, and after a crash holds,
//     for the position it records, a state from which replaying the changelog
//     gives that of invariant 1.
type Task struct {
	store      *Store
	partitions []int32 // ascending
	positions  map[int32]Position
	views      map[string]*View

	// Of the open epoch.
	mark    uint32   // counts epochs; rows saved for undo carry it
	touched []*Table // with undo records, in the order of first writes
	created []*Table
	dropped []*Table

	checkpoint *checkpoint // running, or nil
	charged    int64       // bytes of the budget
	restoring  bool        // what is charged now was there before
	released   bool
	scratch    []byte
}

func newTask(s *Store, partitions []int32) *Task {
	return &Task{store: s, partitions: partitions, mark: 1,
		positions: map[int32]Position{}, views: map[string]*View{}}
}

// Partitions are the state partitions that the task owns, ascending. The slice is
// lent.
func (t *Task) Partitions() []int32 { return t.partitions }

func (t *Task) owns(partition int32) bool {
	_, ok := slices.BinarySearch(t.partitions, partition)
	return ok
}

// View is the state of one operator. The same operator gets the same view.
func (t *Task) View(operator string) *View {
	v := t.views[operator]
	if v == nil {
		v = &View{task: t, operator: strings.Clone(operator), spaces: map[uint8]*Tables{}}
		t.views[v.operator] = v
	}
	return v
}

// Operators lists, ascending, the operators that have state here, whether or not
// somebody asked for their view: those of an older pipeline too.
func (t *Task) Operators() []string {
	var names []string
	for name, v := range t.views {
		for _, ts := range v.spaces {
			if _, any := ts.First(); any {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}

// Changed says whether the open epoch has changed anything: whether Changes would
// call its function.
func (t *Task) Changed() bool { return len(t.touched)+len(t.dropped) > 0 }

// Changes calls fn with one whole value per key that changed since the last Commit
// or Abort; a nil value is a tombstone (a value is never empty otherwise). key and
// value are lent for the call. An error of fn ends the walk and is returned.
func (t *Task) Changes(fn func(partition int32, key, value []byte) error) error {
	for _, table := range t.dropped {
		if err := table.eachDropped(&t.scratch, fn); err != nil {
			return err
		}
	}
	for _, table := range t.touched {
		if err := table.eachChanged(&t.scratch, fn); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) eachChanged(scratch *[]byte, fn func(partition int32, key, value []byte) error) error {
	buf := appendNamespace(append((*scratch)[:0], t.family.prefix...), t.ns)
	prefix := len(buf)
	defer func() { *scratch = buf }()
	return t.eachTouched(func(_ uint32, row []uint64, what change) error {
		if what == unchanged || what == vanished {
			return nil
		}
		buf = t.appendKey(buf[:prefix], row)
		end := len(buf)
		if what == removed {
			return fn(rowPartition(row[rowMeta]), buf, nil)
		}
		buf = t.appendValue(buf, row)
		return fn(rowPartition(row[rowMeta]), buf[:end:end], buf[end:])
	})
}

// eachDropped gives a tombstone for every committed key of a dropped table but for
// those that the epoch has made anew.
func (t *Table) eachDropped(scratch *[]byte, fn func(partition int32, key, value []byte) error) error {
	buf := appendNamespace(append((*scratch)[:0], t.family.prefix...), t.ns)
	prefix := len(buf)
	defer func() { *scratch = buf }()
	anew := t.family.Lookup(t.ns)
	for id := range t.next {
		row := t.row(id)
		if row[rowMeta]&flagLive == 0 {
			continue
		}
		buf = t.appendKey(buf[:prefix], row)
		partition := rowPartition(row[rowMeta])
		if anew != nil {
			if _, ok := anew.lookup(partition, buf[prefix:]); ok {
				continue
			}
		}
		if err := fn(partition, buf, nil); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes the changes since the last Commit or Abort final.
func (t *Task) Commit() {
	for _, table := range t.touched {
		table.commitTouched()
		table.prune()
	}
	for _, table := range t.dropped {
		table.family.commitDrops()
	}
	for _, table := range t.created {
		table.created = false
		table.prune()
	}
	t.endEpoch()
	if t.OverBudget() {
		t.dropSpares()
	}
}

// Abort takes back every change since the last Commit or Abort. Tables, slots and
// families that operators hold are invalid after it.
func (t *Task) Abort() {
	for _, table := range t.touched {
		table.rollback()
	}
	for _, table := range t.created {
		if table.family.by[table.ns] == table {
			table.family.detach(table)
			table.family.recycle(table)
		}
	}
	for _, table := range t.dropped {
		table.family.abortDrops()
	}
	t.endEpoch()
}

func (t *Task) endEpoch() {
	clear(t.touched)
	clear(t.created)
	clear(t.dropped)
	t.touched, t.created, t.dropped = t.touched[:0], t.created[:0], t.dropped[:0]
	t.mark++
	if t.mark == 0 { // after four thousand million epochs old marks would look new
		t.mark = 1
		t.eachTable(func(table *Table) {
			for id := range table.next {
				table.row(id)[rowMeta] &^= markMask
			}
		})
	}
}

// eachTable calls fn for every attached table, in the order of the changelog's
// keys. fn may detach it.
func (t *Task) eachTable(fn func(*Table)) {
	t.eachFamily(func(ts *Tables) {
		for _, ns := range slices.Clone(ts.names) {
			fn(ts.by[ns])
		}
	})
}

func (t *Task) eachFamily(fn func(*Tables)) {
	names := make([]string, 0, len(t.views))
	for name := range t.views {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := t.views[name]
		for _, space := range v.sortedSpaces() {
			fn(v.spaces[space])
		}
	}
}

// Stats is a task's size, for metrics and for deciding on checkpoints.
type Stats struct {
	Bytes       int64 // live state in memory, with everything around it
	Keys        int64 // live keys
	Dirty       int64 // committed entries that no checkpoint has written yet
	Uncommitted int64 // bytes of undo: what the open epoch has changed
	Namespaces  int64 // tables, for instance open windows
}

// Stats is the task's size now. It costs a few nanoseconds per table.
func (t *Task) Stats() Stats {
	s := Stats{Bytes: t.charged}
	t.eachTable(func(table *Table) {
		s.Keys += int64(table.live)
		s.Dirty += int64(table.dirty)
		s.Namespaces++
	})
	for _, table := range t.touched {
		s.Uncommitted += 8 * int64(len(table.undo))
	}
	return s
}

// Release gives the partitions back to the store. Changes of an open epoch are
// taken back; what no checkpoint has written is dropped, the changelog has it.
func (t *Task) Release() {
	if t.released {
		return
	}
	t.released = true
	t.Abort()
	t.views, t.checkpoint = map[string]*View{}, nil
	t.uncharge(t.charged)
	t.store.release(t)
}

// errPartition refuses a partition of somebody else.
func (t *Task) errPartition(partition int32) error {
	return fmt.Errorf("state partition %d is not of this task (%v)", partition, t.partitions)
}
