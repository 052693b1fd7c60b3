package operators

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// Row is one row in the hands of a RowFunc; it is valid until the function returns.
// Columns of the input are named by the index that RowPlan.Column gave, added ones by
// that of RowPlan.Add. Reading a column as another type than it has panics.
type Row struct {
	b     *columnar.Batch
	i     int
	op    *perRow
	drop  bool
	state []byte // what SetState gave
	write bool   // SetState was called
}

// IsNull says whether a column of the input is null.
func (r *Row) IsNull(col int) bool { return r.b.Cols[col].IsNull(r.i) }

// Int is the value of an int64 column; 0 if it is null.
func (r *Row) Int(col int) int64 { return r.b.Cols[col].(*array.Int64).Value(r.i) }

// Float is the value of a float64 column, or of an int64 one converted; 0 if it is null.
func (r *Row) Float(col int) float64 {
	if ints, ok := r.b.Cols[col].(*array.Int64); ok {
		return float64(ints.Value(r.i))
	}
	return r.b.Cols[col].(*array.Float64).Value(r.i)
}

// Bool is the value of a bool column; false if it is null.
func (r *Row) Bool(col int) bool { return r.b.Cols[col].(*array.Boolean).Value(r.i) }

// Time is the value of a timestamp column in microseconds; 0 if it is null.
func (r *Row) Time(col int) int64 { return int64(r.b.Cols[col].(*array.Timestamp).Value(r.i)) }

// Text is a copy of the value of a string or json column; "" if it is null.
func (r *Row) Text(col int) string { return strings.Clone(r.b.Cols[col].(*array.String).Value(r.i)) }

// Bytes is the value of a bytes column, lent; empty if it is null.
func (r *Row) Bytes(col int) []byte { return r.b.Cols[col].(*array.Binary).Value(r.i) }

// EventTime is the row's event time in microseconds; 0 if the source declares none.
func (r *Row) EventTime() int64 {
	if r.b.EventTime == nil {
		return 0
	}
	return r.b.EventTime[r.i]
}

// Drop takes the row out of the stream.
func (r *Row) Drop() { r.drop = true }

// State is the state of the row's key, or nil if it has none; it is lent. The operator
// must have said KeyBy.
func (r *Row) State() []byte {
	if r.write {
		return r.state
	}
	state, err := r.op.view.Get(r.b.Keys.Partition[r.i], 0, r.b.Keys.Key(int32(r.i)))
	if err != nil {
		r.op.err = err
	}
	return state
}

// SetState replaces the state of the row's key; nil removes it. It is copied.
func (r *Row) SetState(state []byte) { r.state, r.write = state, true }

// StateFloat is State of an operator that keeps one number per key.
func (r *Row) StateFloat() (v float64, ok bool) {
	b := r.State()
	if len(b) != 8 {
		return 0, false
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
}

// SetStateFloat is SetState of an operator that keeps one number per key.
func (r *Row) SetStateFloat(v float64) {
	r.SetState(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
}

// SetInt sets an added int64 or timestamp column. A column that is not set is null.
func (r *Row) SetInt(added int, v int64) { r.op.set(added).AppendInt64(v) }

// SetFloat sets an added float64 column.
func (r *Row) SetFloat(added int, v float64) { r.op.set(added).AppendFloat64(v) }

// SetBool sets an added bool column.
func (r *Row) SetBool(added int, v bool) { r.op.set(added).AppendBool(v) }

// SetText sets an added string, bytes or json column.
func (r *Row) SetText(added int, v string) { r.op.set(added).AppendString(v) }

// perRow runs a RowFunc over batches.
type perRow struct {
	schema *columnar.Schema
	added  []columnar.Column
	fn     RowFunc
	view   *statestore.View
	cols   []*columnar.Buffer // of the added columns
	arrs   []arrow.Array
	sel    []int32
	row    Row
	err    error // of state, met while a row was handled
}

func newPerRow(schema *columnar.Schema, p *RowPlan, fn RowFunc) *perRow {
	o := &perRow{schema: schema, added: p.added, fn: fn}
	for _, c := range p.added {
		o.cols = append(o.cols, columnar.NewBuffer(c.Type, 0))
	}
	return o
}

func (o *perRow) Open(ctx *Context) error {
	o.view = ctx.State
	return nil
}

func (o *perRow) Process(_ int, b *columnar.Batch, out Output) error {
	for i, c := range o.added {
		o.cols[i].Reset(c.Type)
	}
	o.sel = o.sel[:0]
	next := 0
	for n := range b.Len() {
		i := n
		if b.Sel != nil {
			i = int(b.Sel[n])
		}
		for ; next < i; next++ {
			o.fill(next)
		}
		if err := o.one(b, i, out); err != nil {
			return err
		}
		o.fill(i)
		next = i + 1
	}
	for ; next < b.Rows; next++ {
		o.fill(next)
	}
	if len(o.sel) == 0 {
		return nil
	}
	o.arrs = append(o.arrs[:0], b.Cols...)
	for _, c := range o.cols {
		o.arrs = append(o.arrs, c.Array())
	}
	c := *b
	c.Schema, c.Cols, c.Sel, c.Keys = o.schema, o.arrs, o.sel, nil
	return out.Emit(&c)
}

// one handles a row. What it leaves unset, fill completes.
func (o *perRow) one(b *columnar.Batch, i int, out Output) error {
	o.row = Row{b: b, i: i, op: o}
	err := o.fn(&o.row)
	if o.err != nil {
		return o.err
	}
	if err != nil {
		o.undo(i)
		out.RowError(b, int32(i), err)
		return nil
	}
	for j, c := range o.added {
		if o.cols[j].Len() == i && !c.Type.Nullable && !o.row.drop {
			o.undo(i)
			out.RowError(b, int32(i), fmt.Errorf("column %s was not set", c.Name))
			return nil
		}
	}
	if !o.row.drop {
		o.sel = append(o.sel, int32(i))
	}
	return o.store(b, i)
}

func (o *perRow) store(b *columnar.Batch, i int) error {
	if !o.row.write {
		return nil
	}
	key := b.Keys.Key(int32(i))
	if o.row.state == nil {
		return o.view.Delete(b.Keys.Partition[i], 0, key)
	}
	return o.view.Put(b.Keys.Partition[i], 0, key, o.row.state)
}

// set is the column to append the current row's value to; a second value replaces the
// first.
func (o *perRow) set(added int) *columnar.Buffer {
	c := o.cols[added]
	c.Truncate(o.row.i)
	return c
}

// undo takes back what the row set.
func (o *perRow) undo(i int) {
	for _, c := range o.cols {
		c.Truncate(i)
	}
}

// fill completes the added columns up to and including row i: null, or where the
// column is not nullable, which only happens outside the selection, zero.
func (o *perRow) fill(i int) {
	for j, c := range o.cols {
		if c.Len() > i {
			continue
		}
		if o.added[j].Type.Nullable {
			c.AppendNull()
			continue
		}
		switch c.Type.Kind {
		case columnar.Int64, columnar.Timestamp:
			c.AppendInt64(0)
		case columnar.Float64:
			c.AppendFloat64(0)
		case columnar.Bool:
			c.AppendBool(false)
		default:
			c.AppendBytes(nil)
		}
	}
}

// Timer is never called: the operator sets none.
func (o *perRow) Timer(int32, []byte, int64, Output) error { return nil }

// Watermark does nothing: no row waits.
func (o *perRow) Watermark(int64, Output) error { return nil }

// Close has nothing to release.
func (o *perRow) Close() error { return nil }
