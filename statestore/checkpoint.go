package statestore

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// errOpenEpoch refuses what may happen only between epochs.
var errOpenEpoch = errors.New("statestore: called inside an epoch; commit or abort it first")

// checkpoint is a walk over the tables that existed when it began, writing what is
// dirty when it gets there.
//
// Writing a million entries in one go would stop the task for a third of a second,
// so it is cut into slices between epochs. Entries written late are newer than the
// positions, which the replay repairs: values are whole, and everything after the
// positions is replayed to its end. A namespace dropped meanwhile is deleted by the
// next slice, not by the next checkpoint: it may hold keys that were removed before
// the positions and are still on disk, and the drop gave no tombstones for those. The
// positions go with the last slice, and Pebble loses only tails, so whoever finds a
// position finds everything below it.
type checkpoint struct {
	positions map[int32]Position
	tables    []*Table
	rest      []Slot // of tables[0], sorted, still to be written
	started   bool   // rest is filled
	sorter    Sorter
	key       []byte
	value     []byte
}

// sliceBytes is the size of the batches in which a checkpoint is written.
const sliceBytes = 4 << 20

// Checkpoint writes all committed, dirty entries with the given positions, one per
// partition of the task. It is called between epochs and is durable after the next
// Store.Flush. It is BeginCheckpoint and StepCheckpoint until done.
func (t *Task) Checkpoint(positions map[int32]Position) error {
	if err := t.BeginCheckpoint(positions); err != nil {
		return err
	}
	_, err := t.StepCheckpoint(math.MaxInt)
	return err
}

// BeginCheckpoint starts a checkpoint that StepCheckpoint writes in slices between
// epochs. The positions are those of now: of the last committed epoch. A checkpoint
// that is still running is replaced.
func (t *Task) BeginCheckpoint(positions map[int32]Position) error {
	if t.Changed() {
		return errOpenEpoch
	}
	for _, p := range t.partitions {
		if _, ok := positions[p]; !ok {
			return fmt.Errorf("checkpoint: no position for state partition %d", p)
		}
	}
	c := &checkpoint{positions: map[int32]Position{}}
	for _, p := range t.partitions {
		c.positions[p] = positions[p]
	}
	t.eachTable(func(table *Table) {
		if table.dirty > 0 {
			c.tables = append(c.tables, table)
		}
	})
	t.checkpoint = c
	return nil
}

// Checkpointing says whether a checkpoint is running.
func (t *Task) Checkpointing() bool { return t.checkpoint != nil }

// StepCheckpoint writes about maxBytes more of the running checkpoint; done is true
// once the positions are written (or if none is running). It is called between
// epochs. An error is final: the store writes nothing any more, and the pipeline must
// be restarted from what the directory holds.
func (t *Task) StepCheckpoint(maxBytes int) (done bool, err error) {
	if t.Changed() {
		return false, errOpenEpoch
	}
	for t.checkpoint != nil && maxBytes > 0 {
		written, err := t.writeSlice(min(maxBytes, sliceBytes))
		if err != nil {
			t.checkpoint = nil
			return false, fmt.Errorf("checkpoint: %w", t.store.health.broken(err))
		}
		maxBytes -= written
	}
	return t.checkpoint == nil, nil
}

// writeSlice writes one batch, and ends the checkpoint with the last one.
func (t *Task) writeSlice(maxBytes int) (written int, err error) {
	batch := t.store.db.NewBatch()
	defer batch.Close()
	done, err := t.checkpoint.step(t, batch, maxBytes)
	if err != nil {
		return 0, err
	}
	written = batch.Len()
	if err := t.store.apply(batch); err != nil {
		return 0, err
	}
	if done {
		maps.Copy(t.positions, t.checkpoint.positions)
		t.checkpoint = nil
	}
	return written, nil
}

func (c *checkpoint) step(t *Task, batch *pebble.Batch, maxBytes int) (done bool, err error) {
	t.eachFamily(func(ts *Tables) {
		err = errors.Join(err, ts.deleteGone(batch))
	})
	if err != nil {
		return false, err
	}
	for len(c.tables) > 0 {
		finished, err := c.writeTable(c.tables[0], batch, maxBytes)
		if err != nil || !finished {
			return false, err
		}
		c.tables, c.rest, c.started = c.tables[1:], nil, false
		if batch.Len() >= maxBytes && len(c.tables) > 0 {
			return false, nil
		}
	}
	for _, p := range t.partitions {
		key := append(appendPartition(c.key[:0], p), positionMark)
		if err := batch.Set(key, appendPosition(nil, c.positions[p]), nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

// writeTable writes dirty rows of a table until the batch is full.
func (c *checkpoint) writeTable(t *Table, batch *pebble.Batch, maxBytes int) (finished bool, err error) {
	if t.family.by[t.ns] != t {
		return true, nil // dropped since
	}
	if !c.started {
		c.rest, c.started = c.sorter.sortDirty(t), true
	}
	for len(c.rest) > 0 {
		slot := c.rest[0]
		c.rest = c.rest[1:]
		if err := c.writeRow(t, (slot-rowHeader)/t.width, batch); err != nil {
			return false, err
		}
		if batch.Len() >= maxBytes && len(c.rest) > 0 {
			return false, nil
		}
	}
	t.prune()
	return true, nil
}

func (c *checkpoint) writeRow(t *Table, id uint32, batch *pebble.Batch) error {
	row := t.row(id)
	if row[rowMeta]&flagDirty == 0 {
		return nil // freed since
	}
	c.key = appendPartition(c.key[:0], rowPartition(row[rowMeta]))
	c.key = appendNamespace(append(c.key, t.family.prefix...), t.ns)
	c.key = t.appendKey(c.key, row)
	t.clean(row)
	if row[rowMeta]&flagLive == 0 {
		t.release(id)
		return batch.Delete(c.key, nil)
	}
	row[rowMeta] |= flagDisk
	t.onDisk = true
	c.value = t.appendValue(c.value[:0], row)
	return batch.Set(c.key, c.value, nil)
}

// prune detaches a table that holds nothing at all any more.
func (t *Table) prune() {
	if t.idx.used == 0 && t.family.by[t.ns] == t {
		t.family.detach(t)
		t.family.recycle(t)
	}
}

// deleteGone deletes the namespaces that committed epochs have dropped, in ranges that
// contain no namespace that exists. One that was made anew since may be at the end of a
// range: nothing of it is on disk yet.
func (ts *Tables) deleteGone(batch *pebble.Batch) error {
	slices.Sort(ts.gone)
	for rest := ts.gone; len(rest) > 0; {
		n := 1
		for n < len(rest) && !ts.anyBetween(rest[n-1], rest[n]) {
			n++
		}
		for _, p := range ts.view.task.partitions {
			if err := batch.DeleteRange(entryPrefix(p, ts, rest[0]), afterNamespace(entryPrefix(p, ts, rest[n-1])), nil); err != nil {
				return err
			}
		}
		rest = rest[n:]
	}
	ts.gone = ts.gone[:0]
	return nil
}

// anyBetween says whether a namespace in (from, to) exists.
func (ts *Tables) anyBetween(from, to int64) bool {
	i, found := slices.BinarySearch(ts.names, from)
	if found {
		i++
	}
	return i < len(ts.names) && ts.names[i] < to
}

func (s *Store) apply(batch *pebble.Batch) error {
	if err := s.health.failed(); err != nil {
		return err
	}
	if err := s.db.Apply(batch, pebble.NoSync); err != nil {
		return err
	}
	return s.health.failed()
}
