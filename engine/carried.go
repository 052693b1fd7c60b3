package engine

import (
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
)

// carried is a batch that owns its memory: the rows of one message of the
// exchange. It is filled by the sender, read by the task, and filled again.
type carried struct {
	schema  *columnar.Schema
	cols    []*columnar.Buffer // nil where the column is not copied
	batch   columnar.Batch
	message rowsMessage // of batch
	keys    columnar.Keys
	times   []int64
	pos     columnar.Positions
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
	c.message.batch = &c.batch
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
		c.times = gather(c.times, b.EventTime, rows)
		c.batch.EventTime = c.times
	}
	c.keys.Gather(keys, rows)
	c.batch.Keys = &c.keys
	c.batch.Pos = nil
	if positions && b.Pos != nil {
		offsets := gather(c.pos.Offset, b.Pos.Offset, rows)
		c.pos = *b.Pos
		c.pos.Offset = offsets
		c.batch.Pos = &c.pos
	}
	c.message.bytes = c.bytes()
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

// gather fills dst, whose memory is reused, with the given elements of src.
func gather(dst, src []int64, rows []int32) []int64 {
	dst = slices.Grow(dst[:0], len(rows))[:len(rows)]
	for j, i := range rows {
		dst[j] = src[i]
	}
	return dst
}

// spares keeps carried batches between uses, for one sender and all its receivers.
// A sync.Pool would forget them at every garbage collection, just when memory is
// turned over fast. The one that came back last goes out first: it is still in the
// processor's cache.
type spares struct {
	made func() *carried

	mu   sync.Mutex
	kept []*carried // guarded by mu
}

// maxSpares bounds the batches kept: a few on their way to each of some tasks.
const maxSpares = 32

func (s *spares) get() *carried {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.kept); n > 0 {
		c := s.kept[n-1]
		s.kept = s.kept[:n-1]
		return c
	}
	c := s.made()
	c.message.free = func() { s.put(c) }
	return c
}

func (s *spares) put(c *carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < maxSpares {
		s.kept = append(s.kept, c)
	}
}
