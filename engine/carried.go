package engine

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
)

// carried is a batch that owns its memory: the rows of one message of the
// exchange. It is filled by the sender, read by the task, and filled again.
type carried struct {
	schema *columnar.Schema
	cols   []*columnar.Buffer // nil where the column is not copied
	batch  columnar.Batch
	keys   columnar.Keys
	times  []int64
	pos    columnar.Positions
}

func newCarried(schema *columnar.Schema, carry []bool) *carried {
	c := &carried{schema: schema, cols: make([]*columnar.Buffer, len(schema.Columns))}
	for i, col := range schema.Columns {
		if carry[i] {
			c.cols[i] = columnar.NewBuffer(col.Type, 1024)
		}
	}
	c.batch.Schema = schema
	c.batch.Cols = make([]arrow.Array, len(schema.Columns))
	return c
}

// fill copies rows of b, with their keys, event times and, if wanted, positions.
func (c *carried) fill(b *columnar.Batch, keys *columnar.Keys, rows []int32, positions bool) {
	for i, col := range c.cols {
		if col != nil {
			col.Reset(c.schema.Columns[i].Type)
			col.Gather(b.Cols[i], rows)
			c.batch.Cols[i] = col.Array()
		}
	}
	c.batch.Rows, c.batch.Sel, c.batch.Before = len(rows), nil, nil
	c.batch.EventTime = nil
	if b.EventTime != nil {
		c.times = gather(c.times[:0], b.EventTime, rows)
		c.batch.EventTime = c.times
	}
	c.fillKeys(keys, rows)
	c.batch.Pos = nil
	if positions && b.Pos != nil {
		offsets := gather(c.pos.Offset[:0], b.Pos.Offset, rows)
		c.pos = *b.Pos
		c.pos.Offset = offsets
		c.batch.Pos = &c.pos
	}
}

func (c *carried) fillKeys(keys *columnar.Keys, rows []int32) {
	k := &c.keys
	k.Hash = gather(k.Hash[:0], keys.Hash, rows)
	k.Partition = gather(k.Partition[:0], keys.Partition, rows)
	k.Data, k.Off = k.Data[:0], append(k.Off[:0], 0)
	for _, i := range rows {
		k.Data = append(k.Data, keys.Key(i)...)
		k.Off = append(k.Off, int32(len(k.Data)))
	}
	c.batch.Keys = k
}

func (c *carried) bytes() int {
	n := 8*len(c.batch.EventTime) + 16*c.batch.Rows + len(c.keys.Data)
	for _, col := range c.cols {
		if col != nil {
			n += col.Bytes()
		}
	}
	return n
}

func gather[T any](dst, src []T, rows []int32) []T {
	for _, i := range rows {
		dst = append(dst, src[i])
	}
	return dst
}
