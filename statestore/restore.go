package statestore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// Load reads what the last flushed checkpoint of this task's partitions holds.
// It is called once, before everything else.
func (t *Task) Load() error {
	t.restoring = true
	defer func() { t.restoring = false }()
	for _, p := range t.partitions {
		if err := t.loadPartition(p); err != nil {
			return fmt.Errorf("load state partition %d: %w", p, err)
		}
	}
	t.settle()
	return nil
}

func (t *Task) loadPartition(partition int32) error {
	lower := appendPartition(nil, partition)
	iter, err := t.store.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: appendPartition(nil, partition+1)})
	if err != nil {
		return err
	}
	for ok := iter.First(); ok && err == nil; ok = iter.Next() {
		err = t.loadEntry(partition, iter.Key()[len(lower):], iter.Value())
	}
	return errors.Join(err, iter.Error(), iter.Close())
}

func (t *Task) loadEntry(partition int32, key, value []byte) error {
	if len(key) == 1 && key[0] == positionMark {
		pos, err := parsePosition(value)
		if err == nil {
			t.positions[partition] = pos
		}
		return err
	}
	rec, err := parseKey(key)
	if err != nil {
		return err
	}
	table := t.restoreTable(rec)
	id, err := table.put(partition, rec.user)
	if err != nil {
		return err
	}
	table.row(id)[rowMeta] |= flagDisk
	table.onDisk = true
	table.revive(id)
	return table.setRestored(id, value)
}

// Position is what the loaded or last written checkpoint of a partition recorded;
// false if there is none: restore from the start of the changelog.
func (t *Task) Position(partition int32) (Position, bool) {
	p, ok := t.positions[partition]
	return p, ok
}

// Restore applies one committed changelog record; value nil is a tombstone. It is
// called between epochs. Replaying a record that is already included is harmless,
// as long as every later one is replayed too. key and value are copied.
func (t *Task) Restore(partition int32, key, value []byte) error {
	if !t.owns(partition) {
		return t.errPartition(partition)
	}
	rec, err := parseKey(key)
	if err != nil {
		return fmt.Errorf("restore state partition %d: %w", partition, err)
	}
	t.restoring = true
	defer func() { t.restoring = false }()
	if value == nil {
		t.restoreTombstone(partition, rec)
		return nil
	}
	if err := t.restoreValue(partition, rec, value); err != nil {
		return fmt.Errorf("restore state partition %d of operator %s: %w", partition, rec.operator, err)
	}
	return nil
}

func (t *Task) restoreValue(partition int32, rec recordKey, value []byte) error {
	table := t.restoreTable(rec)
	id, err := table.put(partition, rec.user)
	if err != nil {
		return err
	}
	if table.row(id)[rowMeta]&flagLive == 0 {
		table.revive(id)
	}
	table.markDirty(id)
	for _, ref := range table.blobWords(table.row(id)) {
		table.arena.drop(ref)
	}
	err = table.setRestored(id, value)
	table.settle()
	return err
}

func (t *Task) restoreTombstone(partition int32, rec recordKey) {
	ts := t.restoreFamily(rec)
	table := ts.by[rec.ns]
	if table == nil {
		return
	}
	p := makeProbe(partition, rec.user, xxh3.Hash(rec.user))
	at, found := table.find(&p)
	if !found {
		return
	}
	id := at / table.width
	row := table.row(id)
	if row[rowMeta]&flagLive != 0 {
		table.kill(id)
	}
	if row[rowMeta]&flagDisk != 0 {
		table.markDirty(id)
		return
	}
	table.clean(row)
	table.release(id)
	if table.live == 0 && table.idx.used == 0 {
		ts.detach(table)
		ts.recycle(table)
	}
}

// restoreFamily is the family that a record belongs to; a raw one if its operator
// has not been opened.
func (t *Task) restoreFamily(rec recordKey) *Tables {
	v := t.views[string(rec.operator)]
	if v == nil {
		v = t.View(string(rec.operator))
	}
	ts := v.spaces[rec.space]
	if ts == nil {
		ts = newTables(v, rec.space, kvLayout)
		ts.raw = true
		v.spaces[rec.space] = ts
	}
	return ts
}

func (t *Task) restoreTable(rec recordKey) *Table {
	ts := t.restoreFamily(rec)
	if ts.last != nil && ts.last.ns == rec.ns {
		return ts.last
	}
	table := ts.by[rec.ns]
	if table == nil {
		table = ts.make(rec.ns)
	}
	ts.last = table
	return table
}

// setRestored stores an encoded value in a row: as it is in a raw family, decoded
// in another.
func (t *Table) setRestored(id uint32, value []byte) error {
	if !t.family.raw {
		if err := t.setValue(t.row(id), value); err != nil {
			return err
		}
		return t.account()
	}
	if len(value) > maxString {
		return fmt.Errorf("%w: value of %d bytes", errRecord, len(value))
	}
	t.row(id)[rowHeader] = t.arena.add(value)
	return t.account()
}

func (t *Table) markDirty(id uint32) {
	if row := t.row(id); row[rowMeta]&flagDirty == 0 {
		row[rowMeta] |= flagDirty
		t.dirty++
	}
}

// settle ends a piece of loading as commit ends an epoch: the strings added are
// from now on older than the epoch.
func (t *Table) settle() {
	t.arena.commit()
	if t.arena.wasteful() {
		t.compact()
	}
}

func (t *Task) settle() { t.eachTable((*Table).settle) }

// Wipe forgets a partition in memory and on disk, so that it can be restored from
// the start of the changelog. It is called between epochs.
func (t *Task) Wipe(partition int32) error {
	if !t.owns(partition) {
		return t.errPartition(partition)
	}
	if t.Changed() {
		return errOpenEpoch
	}
	batch := t.store.db.NewBatch()
	defer batch.Close()
	if err := batch.DeleteRange(appendPartition(nil, partition), appendPartition(nil, partition+1), nil); err != nil {
		return err
	}
	if err := t.store.apply(batch); err != nil {
		return fmt.Errorf("wipe state partition %d: %w", partition, err)
	}
	t.checkpoint = nil
	delete(t.positions, partition)
	t.eachTable(func(table *Table) { table.forget(partition) })
	return nil
}

// forget drops the rows of a partition as if they had never been.
func (t *Table) forget(partition int32) {
	for id := range t.next {
		row := t.row(id)
		if row[rowMeta] == 0 || rowPartition(row[rowMeta]) != partition {
			continue
		}
		if row[rowMeta]&flagLive != 0 {
			t.kill(id)
		}
		t.clean(row)
		t.release(id)
	}
	t.settle()
}

// entryPrefix is the start of all keys of an operator's namespace in a partition.
func entryPrefix(partition int32, ts *Tables, ns int64) []byte {
	return appendNamespace(append(appendPartition(nil, partition), ts.prefix...), ns)
}

// afterNamespace is the lowest key above everything that begins with prefix, whose last
// eight bytes are a namespace.
func afterNamespace(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	at := len(end) - 8
	if n := binary.BigEndian.Uint64(end[at:]); n != ^uint64(0) {
		binary.BigEndian.PutUint64(end[at:], n+1)
		return end
	}
	end = end[:at]
	end[at-1]++ // the space; spaces end well below 255
	return end
}
