package statestore

// Layout is the shape of a table's values: a row of 64-bit words, the last Blobs
// of which stand for byte strings.
type Layout struct {
	Words int
	Blobs int
}

// Keys are the encoded keys of a batch. It has the shape of columnar.Keys, so that
// (*Keys)(k) converts one for free.
type Keys struct {
	Off       []int32
	Data      []byte
	Hash      []uint64
	Partition []int32
}

// Tables is a family of tables of equal layout, one per namespace.
type Tables struct{}

// Tables is the family in the given space of the operator's state. Spaces below
// 128 are the operator's to number. The layout of a space never changes without
// CheckLayout noticing.
func (v *View) Tables(space uint8, l Layout) (*Tables, error) { panic("being written") }

// At is the table of a namespace, made if need be.
func (ts *Tables) At(ns int64) *Table { panic("being written") }

// Namespaces lists the namespaces that exist, ascending.
func (ts *Tables) Namespaces() []int64 { panic("being written") }

// Drop forgets a namespace: constant time here, one range delete in Pebble, one
// tombstone per key in the changelog.
func (ts *Tables) Drop(ns int64) { panic("being written") }

// Table maps (partition, key) to a row of words.
type Table struct{}

// Upsert finds or makes the rows of the keys in sel and stores in slots[j] where
// the values of row sel[j] begin in Words. New rows are all zero.
func (t *Table) Upsert(k *Keys, sel []int32, slots []uint32) error { panic("being written") }

// Words is the memory that slots point into; valid until the next Upsert.
func (t *Table) Words() []uint64 { panic("being written") }
