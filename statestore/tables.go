package statestore

import (
	"fmt"
	"slices"
)

// Layout is the shape of a table's values: a row of 64-bit words, the last Blobs
// of which stand for byte strings and are set by SetBlob only. All words of a new
// row are zero, all blobs absent.
type Layout struct {
	Words int // all words, those of blobs included
	Blobs int
}

// Keys are the encoded keys of a batch. It has the shape of columnar.Keys, so that
// (*Keys)(k) converts one for free. Hash must be xxh3 of the key's bytes.
type Keys struct {
	Off       []int32
	Data      []byte
	Hash      []uint64
	Partition []int32
}

// Tables is a family of tables of equal layout, one per namespace. Like everything
// of a task it belongs to one goroutine, and what it hands out is invalid after an
// abort.
type Tables struct {
	view   *View
	layout Layout
	// raw: loaded or restored before the operator said what the values are. A row
	// then has one blob, the encoded value.
	raw bool

	prefix []byte // of keys in the changelog, up to the namespace
	by     map[int64]*Table
	names  []int64 // of by, ascending
	last   *Table  // the table that At found last

	dropped []*Table // of this epoch, as committed; at most one per namespace
	gone    []int64  // dropped by committed epochs, still in Pebble
	spare   []*Table // memory of dropped tables
}

// maxSpare bounds the tables whose memory waits for the next window.
const maxSpare = 8

// Tables is the family in the given space of the operator's state. Spaces below
// OperatorSpaces are the operator's to number. Stored values that do not have the layout are
// an error: the operator's StateLayout should have told.
func (v *View) Tables(space uint8, l Layout) (*Tables, error) {
	if space >= OperatorSpaces || l.Words < l.Blobs || l.Blobs < 0 {
		panic(fmt.Sprintf("statestore: bad space %d or layout %+v", space, l))
	}
	return v.tables(space, l)
}

func (v *View) tables(space uint8, l Layout) (*Tables, error) {
	ts := v.spaces[space]
	if ts == nil {
		ts = newTables(v, space, l)
		v.spaces[space] = ts
	}
	if ts.raw {
		if err := ts.decode(l); err != nil {
			return nil, fmt.Errorf("operator %s: state of space %d: %w", v.operator, space, err)
		}
	}
	if ts.layout != l {
		return nil, fmt.Errorf("operator %s: space %d holds values of layout %+v, not %+v", v.operator, space, ts.layout, l)
	}
	return ts, nil
}

func newTables(v *View, space uint8, l Layout) *Tables {
	return &Tables{view: v, layout: l, by: map[int64]*Table{},
		prefix: appendFamilyPrefix(nil, v.operator, space)}
}

// At is the table of a namespace, made if need be. It is valid until the epoch ends
// or the namespace is dropped; At is cheap enough to call per batch.
func (ts *Tables) At(ns int64) *Table {
	if ts.last != nil && ts.last.ns == ns {
		return ts.last
	}
	t := ts.by[ns]
	if t == nil {
		t = ts.make(ns)
		t.created = true
		ts.view.task.created = append(ts.view.task.created, t)
	}
	ts.last = t
	return t
}

// Lookup is the table of a namespace, or nil if it holds no key.
func (ts *Tables) Lookup(ns int64) *Table {
	if t := ts.by[ns]; t != nil && t.live > 0 {
		return t
	}
	return nil
}

// Namespaces appends the namespaces that hold keys to dst, ascending.
func (ts *Tables) Namespaces(dst []int64) []int64 {
	for _, ns := range ts.names {
		if ts.by[ns].live > 0 {
			dst = append(dst, ns)
		}
	}
	return dst
}

// First is the lowest namespace that holds keys.
func (ts *Tables) First() (ns int64, ok bool) {
	for _, ns := range ts.names {
		if ts.by[ns].live > 0 {
			return ns, true
		}
	}
	return 0, false
}

// Drop forgets a namespace: constant time here but for the keys that this epoch
// wrote to, one range delete in Pebble, one tombstone per key in the changelog.
func (ts *Tables) Drop(ns int64) {
	t := ts.by[ns]
	if t == nil {
		return
	}
	ts.detach(t)
	if t.created {
		ts.recycle(t) // nothing outside the epoch knows it
		return
	}
	t.rollback()
	ts.dropped = append(ts.dropped, t)
	ts.view.task.dropped = append(ts.view.task.dropped, t)
}

func (ts *Tables) make(ns int64) *Table {
	t := &Table{}
	if n := len(ts.spare); n > 0 {
		t = ts.spare[n-1]
		ts.spare = ts.spare[:n-1]
	}
	t.family, t.ns, t.width = ts, ns, uint32(rowHeader+ts.layout.Words)
	ts.attach(t)
	return t
}

func (ts *Tables) attach(t *Table) {
	ts.by[t.ns] = t
	i, _ := slices.BinarySearch(ts.names, t.ns)
	ts.names = slices.Insert(ts.names, i, t.ns)
	ts.last = nil
}

func (ts *Tables) detach(t *Table) {
	delete(ts.by, t.ns)
	i, _ := slices.BinarySearch(ts.names, t.ns)
	ts.names = slices.Delete(ts.names, i, i+1)
	ts.last = nil
}

// recycle keeps the memory of a table that nobody refers to any more. The struct
// is new, so that a running checkpoint cannot mistake it for the old one.
func (ts *Tables) recycle(t *Table) {
	if len(ts.spare) < maxSpare {
		t.idx.clear()
		ts.spare = append(ts.spare, &Table{
			rows: t.rows, free: t.free[:0], idx: t.idx, undo: t.undo[:0],
			arena: arena{data: t.arena.data[:0]}, size: t.size,
		})
	} else {
		ts.view.task.uncharge(t.size)
	}
	*t = Table{family: ts, ns: t.ns, width: t.width} // lists of the epoch may still name it
}

// commitDrops makes the epoch's drops final.
func (ts *Tables) commitDrops() {
	for _, t := range ts.dropped {
		if t.onDisk {
			ts.gone = append(ts.gone, t.ns)
		}
		ts.recycle(t)
	}
	ts.dropped = ts.dropped[:0]
}

// abortDrops brings back what the epoch dropped. Tables made in the epoch, which
// may stand in their place, are gone already.
func (ts *Tables) abortDrops() {
	for _, t := range ts.dropped {
		ts.attach(t)
	}
	ts.dropped = ts.dropped[:0]
}

// decode gives a raw family its layout.
func (ts *Tables) decode(l Layout) error {
	task := ts.view.task
	task.restoring = true
	defer func() { task.restoring = false }()
	old := ts.by
	names := ts.names
	ts.by, ts.names, ts.last = map[int64]*Table{}, nil, nil
	ts.raw, ts.layout = false, l
	for _, ns := range names {
		from := old[ns]
		to := ts.make(ns)
		to.onDisk = from.onDisk
		if err := to.copyDecoded(from); err != nil {
			return err
		}
		to.arena.commit()
		task.uncharge(from.size)
		delete(old, ns)
	}
	return nil
}

// copyDecoded fills a table from a raw one, dead rows included.
func (t *Table) copyDecoded(from *Table) error {
	var buf [inlineKey]byte
	for id := range from.next {
		src := from.row(id)
		if src[rowMeta] == 0 {
			continue
		}
		id, err := t.put(rowPartition(src[rowMeta]), from.keyBytes(src, &buf))
		if err != nil {
			return err
		}
		row := t.row(id)
		row[rowMeta] |= src[rowMeta] &^ (identMask | markMask)
		if src[rowMeta]&flagDirty != 0 {
			t.dirty++
		}
		if src[rowMeta]&flagLive == 0 {
			continue
		}
		t.live++
		if err := t.setValue(row, from.arena.get(src[rowHeader])); err != nil {
			return err
		}
	}
	return t.account()
}
