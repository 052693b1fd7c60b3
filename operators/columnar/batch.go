package columnar

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
)

// The ends of event time. A watermark of MaxTime means that nothing follows.
const (
	MinTime int64 = math.MinInt64
	MaxTime int64 = math.MaxInt64
)

// Batch is a set of rows that travels together, about 1 to 8 thousand.
//
// Ownership: a Batch and everything it refers to is lent for the duration of
// one call. Whoever wants to keep a value copies it. Nobody writes into a Batch
// that was handed to them; a filter hands on a copy of the struct with another
// Sel, which shares the columns.
//
// Rows that are not in Sel exist in the columns but not in the stream: their
// values must not be read for effect, and an operator must not report errors
// for them. (Computing on them is fine where that is cheaper and cannot fail.)
type Batch struct {
	Schema *Schema
	Cols   []arrow.Array // one per schema column, each Rows long
	Rows   int           // physical rows in the columns
	Sel    []int32       // the rows that exist, ascending; nil means all of 0..Rows-1

	// EventTime is each row's event time in microseconds; nil where the source
	// declares none. map cannot drop it.
	EventTime []int64

	// Before is, for each row, the watermark of its source partition over the
	// rows before it. It is there from the source to the first stateful
	// operator, which decides lateness by it, and nil after.
	Before []int64

	// Keys is set by the exchange in front of a keyed operator and nil elsewhere.
	Keys *Keys

	// Pos says where each row came from. Nil in chains that can neither fail nor
	// break ties.
	Pos *Positions
}

// Keys holds the encoded grouping key of each row and where it belongs. The
// encoding is KeyEncoder's. Rows outside Sel have undefined entries.
type Keys struct {
	Off       []int32 // Rows+1 long; the key of row i is Data[Off[i]:Off[i+1]]
	Data      []byte
	Hash      []uint64 // xxh3 of the key
	Partition []int32  // state partition of the key
}

// Key is the encoded key of row i. The bytes are lent.
func (k *Keys) Key(i int32) []byte { return k.Data[k.Off[i]:k.Off[i+1]] }

// Positions names the source record of each row.
type Positions struct {
	Source    string  // the source node's name
	Split     string  // the source's split, for a topic "topic/partition"
	Partition int32   // the split's index, for tie breaks
	Offset    []int64 // Rows long: log offset, byte offset or row number in the split
}

// Len is the number of rows that exist.
func (b *Batch) Len() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.Rows
}

// Select is a batch of the same columns in which only sel exists. It shares
// everything with b; sel is lent with it.
func (b *Batch) Select(sel []int32) *Batch {
	c := *b
	c.Sel = sel
	return &c
}
