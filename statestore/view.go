// Package statestore remembers: keyed state of one worker and pipeline, live in
// open-addressing tables, captured per epoch, written back to Pebble at
// checkpoints and restored from the changelog.
package statestore

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
type View struct{}

// Get is the value of a key, or nil. It is lent until the next call.
func (v *View) Get(partition int32, ns int64, key []byte) ([]byte, error) { panic("being written") }

// Put sets a value; both are copied.
func (v *View) Put(partition int32, ns int64, key, value []byte) error { panic("being written") }

// Delete removes a key; one that is not there is no error.
func (v *View) Delete(partition int32, ns int64, key []byte) error { panic("being written") }

// Scan calls fn for the keys from <= key < to of one partition and namespace in
// ascending byte order until fn returns false. Nil bounds are open. fn must not
// write to the namespace that is scanned; its arguments are lent for the call.
func (v *View) Scan(partition int32, ns int64, from, to []byte, fn func(key, value []byte) bool) error {
	panic("being written")
}

// Drop forgets a whole namespace of Get and Put.
func (v *View) Drop(ns int64) { panic("being written") }

// Namespaces lists the namespaces that hold keys of Get and Put, ascending.
func (v *View) Namespaces() []int64 { panic("being written") }

// SetTimer asks for a call of Operator.Timer once the watermark is >= t.
func (v *View) SetTimer(partition int32, t int64, key []byte) error { panic("being written") }

// DeleteTimer takes a timer back; one that is not set is no error.
func (v *View) DeleteTimer(partition int32, t int64, key []byte) error { panic("being written") }

// PopTimer removes and returns the first timer with time <= upTo in (time, key,
// partition) order. It is the engine's: operators get Timer calls. key is lent
// until the next call of PopTimer.
func (v *View) PopTimer(upTo int64) (partition int32, t int64, key []byte, ok bool) {
	panic("being written")
}

// CheckLayout compares the operator's state format with what the stored state was
// written with, and records it if there is none yet. A difference is a *LayoutError.
func (v *View) CheckLayout(version int, layout string) error { panic("being written") }
