package builtin

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// resultBatch is how many results go into one batch.
const resultBatch = 4096

// closing turns the rows of a window's table into result rows. It owns the memory of
// the batches that it emits.
type closing struct {
	schema *columnar.Schema
	keys   int // columns of the key, the first ones
	size   int64
	cols   []*columnar.Buffer
	arrs   []arrow.Array
	times  []int64
	sorter statestore.Sorter
	key    []byte
	faults []fault
	sel    []int32
}

// fault is a result that does not exist.
type fault struct {
	row   int32
	cause error
}

func newClosing(output *columnar.Schema, by []columnar.Column, w windows) closing {
	c := closing{schema: output, keys: len(by), size: w.size, arrs: make([]arrow.Array, len(output.Columns))}
	for _, col := range output.Columns {
		c.cols = append(c.cols, columnar.NewBuffer(col.Type, 0))
	}
	return c
}

// emit sends the results of a window in the order of the key's bytes.
func (c *closing) emit(t *statestore.Table, end int64, accs []accumulator, out operators.Output) error {
	slots := c.sorter.Sort(t)
	for len(slots) > 0 {
		n := min(len(slots), resultBatch)
		if err := c.emitBatch(t, slots[:n], end, accs, out); err != nil {
			return err
		}
		slots = slots[n:]
	}
	return nil
}

func (c *closing) emitBatch(t *statestore.Table, slots []statestore.Slot, end int64, accs []accumulator, out operators.Output) error {
	for i, col := range c.schema.Columns {
		c.cols[i].Reset(col.Type)
	}
	c.times = c.times[:0]
	c.faults = c.faults[:0]
	key, start, rest := c.cols[:c.keys], c.cols[c.keys], c.cols[c.keys+1:]
	for _, s := range slots {
		c.key = t.Key(c.key[:0], s)
		if err := columnar.DecodeKey(c.key, key); err != nil {
			return fmt.Errorf("aggregate: the key %x of a window: %w", c.key, err)
		}
		start.AppendInt64(end - c.size)
		rest[0].AppendInt64(end)
		c.times = append(c.times, end-1)
	}
	for i, acc := range accs {
		acc.emit(t, slots, rest[1+i], func(j int, cause error) {
			c.faults = append(c.faults, fault{int32(j), fmt.Errorf("%s: %w", c.schema.Columns[c.keys+2+i].Name, cause)})
		})
	}
	for i, col := range c.cols {
		c.arrs[i] = col.Array()
	}
	b := &columnar.Batch{Schema: c.schema, Cols: c.arrs, Rows: len(slots), EventTime: c.times}
	if len(c.faults) > 0 {
		return c.emitWithout(b, out)
	}
	return out.Emit(b)
}

// emitWithout reports the results that do not exist and emits the others.
func (c *closing) emitWithout(b *columnar.Batch, out operators.Output) error {
	lost := make(map[int32]bool, len(c.faults))
	for _, f := range c.faults {
		if !lost[f.row] {
			lost[f.row] = true
			out.RowError(b, f.row, f.cause)
		}
	}
	c.sel = c.sel[:0]
	for i := range int32(b.Rows) {
		if !lost[i] {
			c.sel = append(c.sel, i)
		}
	}
	if len(c.sel) == 0 {
		return nil
	}
	return out.Emit(b.Select(c.sel))
}
