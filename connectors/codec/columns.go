package codec

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
)

// columns is what every decoder appends to: a buffer per wanted column. A row
// counts once it is whole; until then rollback takes it back.
type columns struct {
	schema *columnar.Schema
	cols   []*columnar.Buffer // by schema column; nil: not wanted
	rows   int
	lent   bool // the buffers' memory is in the hands of who called Flush

	batch columnar.Batch
	nulls []arrow.Array // of columns not wanted, at least as long as any batch so far
}

// newColumns makes the columns that want names, all if it is nil.
func newColumns(schema *columnar.Schema, want []string) *columns {
	c := &columns{schema: schema, cols: make([]*columnar.Buffer, len(schema.Columns)), nulls: make([]arrow.Array, len(schema.Columns))}
	if want == nil {
		want = schema.Names()
	}
	for _, name := range want {
		if i := schema.Index(name); i >= 0 {
			c.cols[i] = columnar.NewBuffer(schema.Columns[i].Type, 0)
		}
	}
	return c
}

// begin makes the buffers ours again.
func (c *columns) begin() {
	if !c.lent {
		return
	}
	c.lent, c.rows = false, 0
	for _, b := range c.cols {
		if b != nil {
			b.Reset(b.Type)
		}
	}
}

// rollback drops what was appended since the last whole row.
func (c *columns) rollback() {
	for _, b := range c.cols {
		if b != nil {
			b.Truncate(c.rows)
		}
	}
}

// Rows implements Decoder.
func (c *columns) Rows() int {
	if c.lent {
		return 0
	}
	return c.rows
}

// Flush implements Decoder.
func (c *columns) Flush() *columnar.Batch {
	c.begin()
	c.lent = true
	arrays := make([]arrow.Array, len(c.cols))
	for i, b := range c.cols {
		if b != nil {
			arrays[i] = b.Array()
		} else {
			arrays[i] = c.null(i)
		}
	}
	c.batch = columnar.Batch{Schema: c.schema, Cols: arrays, Rows: c.rows}
	return &c.batch
}

// null is a column of nulls, cut from one that is kept: nothing ever writes to it.
func (c *columns) null(i int) arrow.Array {
	if c.nulls[i] == nil || c.nulls[i].Len() < c.rows {
		c.nulls[i] = columnar.NullArray(c.schema.Columns[i].Type, max(c.rows, 1024))
	}
	return array.NewSlice(c.nulls[i], 0, int64(c.rows))
}
