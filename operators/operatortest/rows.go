package operatortest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
)

// lent is a batch whose memory the suite owns, so that it can overwrite it after the
// call that it was lent for.
type lent struct {
	columnar.Batch
	buffers []*columnar.Buffer
	from    []int // the row of Case.Rows behind each physical row, or -1 for garbage
}

// lend makes a batch of rows. With an rng some physical rows are garbage: copies of
// other rows, or nulls, with absurd event times, outside Sel.
func lend(t testing.TB, c *Case, input int, rows []int, rng *rand.Rand) *lent {
	t.Helper()
	schema := c.schemas()[input]
	l := &lent{}
	var physical, sel = rows, []int32(nil)
	if rng != nil && rng.IntN(3) > 0 {
		physical = nil
		for _, r := range rows {
			for rng.IntN(3) == 0 {
				physical = append(physical, -1)
			}
			sel = append(sel, int32(len(physical)))
			physical = append(physical, r)
		}
		for rng.IntN(2) == 0 {
			physical = append(physical, -1)
		}
		if sel == nil {
			sel = []int32{}
		}
	}
	l.from = physical
	l.Batch = columnar.Batch{Schema: schema, Rows: len(physical), Sel: sel}
	split := int32(0)
	if len(rows) > 0 {
		split = c.Rows[rows[0]].Split
	}
	l.Pos = &columnar.Positions{Source: "test", Split: fmt.Sprint("split/", split), Partition: split, Offset: make([]int64, len(physical))}
	for col, column := range schema.Columns {
		buf := columnar.NewBuffer(column.Type, len(physical))
		for _, r := range physical {
			switch {
			case r >= 0:
				appendValue(t, buf, c.Rows[r].Values[col])
			case rng.IntN(2) == 0 && column.Type.Nullable:
				buf.AppendNull()
			default:
				appendValue(t, buf, garbage(rng, column.Type.Kind))
			}
		}
		l.buffers = append(l.buffers, buf)
		l.Cols = append(l.Cols, buf.Array())
	}
	for i, r := range physical {
		l.Pos.Offset[i] = int64(r)
	}
	if !c.NoEventTime {
		for _, r := range physical {
			at := columnar.MaxTime
			if r >= 0 {
				at = c.Rows[r].At
			} else if rng.IntN(2) == 0 {
				at = columnar.MinTime
			}
			l.EventTime = append(l.EventTime, at)
		}
	}
	return l
}

func garbage(rng *rand.Rand, k columnar.Kind) any {
	switch k {
	case columnar.Bool:
		return rng.IntN(2) == 0
	case columnar.Int64, columnar.Timestamp:
		return int64(rng.Uint64())
	case columnar.Float64:
		return rng.NormFloat64() * 1e300
	}
	return fmt.Sprintf("{garbage %d}", rng.IntN(100))
}

func appendValue(t testing.TB, buf *columnar.Buffer, v any) {
	t.Helper()
	kind := buf.Type.Kind
	switch v := v.(type) {
	case nil:
		buf.AppendNull()
		return
	case bool:
		if kind == columnar.Bool {
			buf.AppendBool(v)
			return
		}
	case int:
		appendValue(t, buf, int64(v))
		return
	case int64:
		if kind == columnar.Int64 || kind == columnar.Timestamp {
			buf.AppendInt64(v)
			return
		}
	case float64:
		if kind == columnar.Float64 {
			buf.AppendFloat64(v)
			return
		}
	case string:
		if kind == columnar.String || kind == columnar.Bytes || kind == columnar.JSON {
			buf.AppendString(v)
			return
		}
	case []byte:
		appendValue(t, buf, string(v))
		return
	}
	t.Fatalf("a value %v (%T) for a column of type %s", v, v, buf.Type)
}

// poison overwrites everything that was lent.
func (l *lent) poison() {
	for _, b := range l.buffers {
		fill(b.I64, -0x2152411021524111)
		fill(b.F64, -6.66e66)
		fill(b.Bits, 0xaa)
		fill(b.Data, '#')
	}
	fill(l.EventTime, 0x2152411021524111)
	fill(l.Sel, 0)
	fill(l.Pos.Offset, -7)
	if l.Keys != nil {
		fill(l.Keys.Data, '#')
		fill(l.Keys.Hash, 0xdeadbeef)
		fill(l.Keys.Partition, 1<<20)
	}
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

// dump is everything in the batch, to see that nobody writes to it.
func (l *lent) dump() string {
	var out strings.Builder
	for _, col := range l.Cols {
		for i := range l.Rows {
			fmt.Fprint(&out, cell(col, i), " ")
		}
	}
	fmt.Fprint(&out, l.EventTime, l.Sel, l.Pos.Offset)
	if l.Keys != nil {
		fmt.Fprint(&out, l.Keys.Data, l.Keys.Off, l.Keys.Hash, l.Keys.Partition)
	}
	return out.String()
}

// cell is one value as text.
func cell(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "null"
	}
	switch a := a.(type) {
	case *array.Boolean:
		return fmt.Sprint(a.Value(i))
	case *array.Int64:
		return fmt.Sprint(a.Value(i))
	case *array.Timestamp:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Float64:
		return fmt.Sprint(a.Value(i))
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return string(a.Value(i))
	}
	return fmt.Sprintf("a column of %s", a.DataType())
}

// rowText is one row in the form of Case.Want.
func rowText(port string, b *columnar.Batch, i int) string {
	var parts []string
	for _, col := range b.Cols {
		parts = append(parts, cell(col, i))
	}
	if b.EventTime != nil {
		parts = append(parts, fmt.Sprint("@", b.EventTime[i]))
	}
	text := strings.Join(parts, " ")
	if port != "" {
		return port + ": " + text
	}
	return text
}

// selected is the rows of a batch that exist.
func selected(b *columnar.Batch) []int32 {
	if b.Sel != nil {
		return slices.Clone(b.Sel)
	}
	all := make([]int32, b.Rows)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}
