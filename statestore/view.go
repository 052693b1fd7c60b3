package statestore

import (
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// View is the state of one operator in one task. It offers three things: byte
// values by (partition, namespace, key) through Get, Put, Delete and Scan; timers;
// and, for operators that work on whole batches, Tables.
//
// All of it is transactional without further ado: what is written in an epoch that
// aborts is taken back, what is committed survives crashes and moves.
//
// The partition is that of the row's key (columnar.Keys.Partition) or the one
// passed to Operator.Timer. A namespace groups keys that are dropped together, for
// instance a window's end; use 0 where there is none.
type View struct {
	task     *Task
	operator string
	spaces   map[uint8]*Tables
	popped   []byte // the key that PopTimer lent
	scratch  []byte
}

// kvLayout is one blob per key.
var kvLayout = Layout{Words: 1, Blobs: 1}

func (v *View) kv() (*Tables, error) { return v.tables(spaceKV, kvLayout) }

// Get is the value of a key, or nil. It is lent until the next call that writes.
func (v *View) Get(partition int32, ns int64, key []byte) ([]byte, error) {
	ts, err := v.kv()
	if err != nil {
		return nil, err
	}
	if t := ts.Lookup(ns); t != nil {
		if slot, ok := t.lookup(partition, key); ok {
			return t.Blob(slot, 0), nil
		}
	}
	return nil, nil
}

// Put sets a value; both are copied. A nil value is an empty one. The errors are
// ErrMemory, a partition that this task does not own, and sizes beyond 16 MiB.
func (v *View) Put(partition int32, ns int64, key, value []byte) error {
	ts, err := v.kv()
	if err != nil {
		return err
	}
	if !v.task.owns(partition) {
		return v.stranger(partition)
	}
	t := ts.At(ns)
	slot, err := t.upsertKey(partition, key, xxh3.Hash(key))
	if err != nil {
		return err
	}
	if value == nil {
		value = []byte{}
	}
	return t.SetBlob(slot, 0, value)
}

// Delete removes a key; one that is not there is no error.
func (v *View) Delete(partition int32, ns int64, key []byte) error {
	ts, err := v.kv()
	if err != nil {
		return err
	}
	if t := ts.Lookup(ns); t != nil {
		if slot, ok := t.lookup(partition, key); ok {
			return t.remove(slot)
		}
	}
	return nil
}

// Scan calls fn for the keys from <= key < to of one partition and namespace in
// ascending byte order until fn returns false. Nil bounds are open. fn must not
// write to state; its arguments are lent for the call. The first scan of a
// namespace sorts it; it is kept sorted from then on.
func (v *View) Scan(partition int32, ns int64, from, to []byte, fn func(key, value []byte) bool) error {
	ts, err := v.kv()
	if err != nil {
		return err
	}
	if t := ts.Lookup(ns); t != nil {
		t.scan(partition, from, to, fn)
	}
	return nil
}

// Drop forgets a whole namespace of Get and Put, in all partitions of the task.
func (v *View) Drop(ns int64) error {
	ts, err := v.kv()
	if err == nil {
		ts.Drop(ns)
	}
	return err
}

// Clear forgets everything the operator has in this task, timers and layout
// included. Handles from Tables stay valid.
func (v *View) Clear() {
	for _, space := range v.sortedSpaces() {
		ts := v.spaces[space]
		for _, ns := range slices.Clone(ts.names) {
			ts.Drop(ns)
		}
	}
}

func (v *View) sortedSpaces() []uint8 {
	spaces := make([]uint8, 0, len(v.spaces))
	for s := range v.spaces {
		spaces = append(spaces, s)
	}
	slices.Sort(spaces)
	return spaces
}

func (v *View) stranger(partition int32) error {
	return fmt.Errorf("operator %s: state partition %d is not of this task; use the partition of the row's key", v.operator, partition)
}

// Partitions are the state partitions of the view's task, ascending. The slice is
// lent.
func (v *View) Partitions() []int32 { return v.task.partitions }
