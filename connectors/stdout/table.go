package stdout

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
)

// table prints aligned columns. Widths grow with what has been seen and never
// shrink, so that most lines stay aligned from one epoch to the next; when a
// column had to grow, or the heading is far away, the heading is printed again.
type table struct {
	schema *columnar.Schema
	widths []int
	rows   [][]string
	headed int // lines since the heading; -1 before the first
}

// headEvery is how many lines may stand under one heading.
const headEvery = 500

// maxCell bounds a cell; what is longer ends in an ellipsis.
const maxCell = 80

func newTable(s *columnar.Schema) *table {
	t := &table{schema: s, widths: make([]int, len(s.Columns)), headed: -1}
	for i, c := range s.Columns {
		t.widths[i] = utf8.RuneCountInString(c.Name)
	}
	return t
}

func (t *table) row(b *columnar.Batch, row int32) error {
	cells := make([]string, len(b.Cols))
	for i, c := range b.Cols {
		cells[i] = cell(c, int(row))
	}
	t.rows = append(t.rows, cells)
	return nil
}

func (t *table) drop() { t.rows = nil }

func (t *table) take() []string {
	if len(t.rows) == 0 {
		return nil
	}
	grew := false
	for _, row := range t.rows {
		for i, c := range row {
			if n := utf8.RuneCountInString(c); n > t.widths[i] {
				t.widths[i], grew = n, true
			}
		}
	}
	var out []string
	for _, row := range t.rows {
		if t.headed < 0 || grew || t.headed >= headEvery {
			out = append(out, t.line(t.schema.Names()))
			t.headed, grew = 0, false
		}
		out = append(out, t.line(row))
		t.headed++
	}
	t.rows = nil
	return out
}

func (t *table) line(cells []string) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(c))
		switch k := t.schema.Columns[i].Type.Kind; {
		case k == columnar.Int64 || k == columnar.Float64:
			b.WriteString(pad + c)
		case i == len(cells)-1:
			b.WriteString(c)
		default:
			b.WriteString(c + pad)
		}
	}
	return b.String()
}

// cell is a value as a person reads it. Control characters are escaped, so that
// data cannot drive the terminal.
func cell(a arrow.Array, row int) string {
	if a.IsNull(row) {
		return "-"
	}
	switch a := a.(type) {
	case *array.Boolean:
		return strconv.FormatBool(a.Value(row))
	case *array.Int64:
		return strconv.FormatInt(a.Value(row), 10)
	case *array.Float64:
		return number(a.Value(row))
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(row))).UTC().Format(time.RFC3339Nano)
	case *array.String:
		return clean(a.Value(row))
	case *array.Binary:
		return clean(strconv.Quote(string(a.Value(row))))
	}
	return a.ValueStr(row)
}

func number(v float64) string {
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e15) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func clean(s string) string {
	plain := utf8.ValidString(s)
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if !plain {
		s = strconv.Quote(s)
		s = s[1 : len(s)-1]
	}
	if utf8.RuneCountInString(s) <= maxCell {
		return strings.Clone(s) // an array's strings are lent with the batch
	}
	return string([]rune(s)[:maxCell-1]) + "…"
}
