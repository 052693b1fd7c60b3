package builtin

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

var distinctFunction = &function{
	name: "count_distinct",
	doc:  "the exact number of different values that are not null; state grows with that number",
	plan: func(arg columnar.Type) (*formula, error) {
		if err := needsArgument("count_distinct", arg); err != nil {
			return nil, err
		}
		if arg.Kind == columnar.JSON {
			return nil, fmt.Errorf("count_distinct is not of json, whose text may differ for equal values; take a value out of it first")
		}
		return &formula{
			result:   columnar.Type{Kind: columnar.Int64},
			words:    1,
			elements: true,
			make:     func(p place) accumulator { return &distinct{count: count{p.word}, space: p.space} },
		}, nil
	},
}

// distinct is count_distinct. A set as a value would be written to the changelog
// whole for every new element, so each element is a key of its own, without a value:
// the group's key followed by the element's, in the partition and window of the group.
// The row of the group keeps the number of them.
type distinct struct {
	count    count
	space    uint8
	tables   *statestore.Tables // set by open
	encoder  columnar.KeyEncoder
	elements columnar.Keys
	keys     columnar.Keys // group and element
	from     []int32       // of each key, the index into the part's rows
	all      []int32       // 0, 1, 2, ...
	slots    []statestore.Slot
	fresh    []int32
	cols     [1]arrow.Array
	selected columnar.Batch
}

// slack lets lookups load the last keys whole.
var slack [16]byte

// elementLayout: an element has no value.
var elementLayout = statestore.Layout{}

func (d *distinct) open(v *statestore.View) (err error) {
	d.tables, err = v.Tables(d.space, elementLayout)
	return err
}

func (d *distinct) drop(end int64) { d.tables.Drop(end) }

func (d *distinct) add(p *part, arg arrow.Array) error {
	d.cols[0] = arg
	d.selected = columnar.Batch{Cols: d.cols[:], Rows: arg.Len(), Sel: p.rows}
	d.encoder.Encode(&d.selected, []int{0}, 1, &d.elements)
	d.join(p, arg)
	d.fresh = d.fresh[:0]
	n := len(d.keys.Hash)
	if cap(d.slots) < n {
		d.slots = make([]statestore.Slot, max(n, len(p.keys.Hash)))
	}
	fresh, err := d.tables.At(p.end).UpsertNew((*statestore.Keys)(&d.keys), d.all[:n], d.slots[:n], d.fresh)
	if err != nil {
		return err
	}
	d.fresh = fresh
	w := p.table.Words()
	for _, j := range fresh {
		w[p.slots[d.from[j]]+d.count.word]++
	}
	return nil
}

// join makes the keys of the elements that are not null, and notes in from which row
// of the part each is.
func (d *distinct) join(p *part, arg arrow.Array) {
	k := &d.keys
	k.Off, k.Data, k.Hash, k.Partition = append(k.Off[:0], 0), k.Data[:0], k.Hash[:0], k.Partition[:0]
	nulls := arg.NullN() > 0
	d.from = d.from[:0]
	for j, row := range p.rows {
		if nulls && arg.IsNull(int(row)) {
			continue
		}
		d.from = append(d.from, int32(j))
		from := len(k.Data)
		k.Data = append(append(k.Data, p.keys.Key(row)...), d.elements.Key(row)...)
		k.Off = append(k.Off, int32(len(k.Data)))
		k.Hash = append(k.Hash, columnar.HashKey(k.Data[from:]))
		k.Partition = append(k.Partition, p.keys.Partition[row])
	}
	for i := len(d.all); i < len(k.Hash); i++ {
		d.all = append(d.all, int32(i))
	}
	k.Data = append(k.Data, slack[:]...)[:len(k.Data)]
}

func (d *distinct) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, fail func(int, error)) {
	d.count.emit(t, slots, out, fail)
}
