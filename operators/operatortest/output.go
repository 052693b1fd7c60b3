package operatortest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// emitted is one row that came out.
type emitted struct {
	text string
	key  string // of a keyed operator: the values of the key's columns that the output has
}

// output is an operators.Output that keeps the rows of the open epoch apart from those
// of committed ones and checks every batch.
type output struct {
	t         testing.TB
	plan      *operators.Plan
	keyNames  []string
	committed []emitted
	open      []emitted
	current   *lent // the batch of the Process that is running
	forwarded int64 // the watermark that went downstream last
}

func newOutput(t testing.TB, plan *operators.Plan) *output {
	o := &output{t: t, plan: plan, forwarded: columnar.MinTime}
	for _, key := range plan.Key {
		o.keyNames = append(o.keyNames, key...)
	}
	return o
}

func (o *output) Emit(b *columnar.Batch) error { return o.take("", b, o.plan.Output) }

func (o *output) EmitTo(port string, b *columnar.Batch) error {
	schema, ok := o.plan.Ports[port]
	if !ok {
		o.t.Errorf("EmitTo(%q): the plan does not declare that port", port)
		return nil
	}
	return o.take(port, b, schema)
}

func (o *output) take(port string, b *columnar.Batch, schema *columnar.Schema) error {
	if !o.wellFormed(b, schema) {
		return nil
	}
	for _, i := range selected(b) {
		if o.plan.Timing != nil && b.EventTime != nil && b.EventTime[i] < o.forwarded {
			o.t.Errorf("row %q is behind the watermark %d that went downstream before it: Timing.Hold is too small", rowText(port, b, int(i)), o.forwarded)
		}
		e := emitted{text: rowText(port, b, int(i))}
		for _, name := range o.keyNames {
			if at := schema.Index(name); at >= 0 {
				e.key += cell(b.Cols[at], int(i)) + "\x00"
			}
		}
		o.open = append(o.open, e)
	}
	return nil
}

// wellFormed checks an emitted batch against the schema of its port.
func (o *output) wellFormed(b *columnar.Batch, schema *columnar.Schema) bool {
	o.t.Helper()
	if b.Schema == nil || !b.Schema.Equal(schema) {
		o.t.Errorf("emitted a batch of %v, the plan says %v", b.Schema, schema)
		return false
	}
	if len(b.Cols) != len(schema.Columns) {
		o.t.Errorf("emitted a batch of %d columns, its schema has %d", len(b.Cols), len(schema.Columns))
		return false
	}
	for i, col := range b.Cols {
		column := schema.Columns[i]
		if col.Len() != b.Rows || col.DataType().ID() != column.Type.Arrow().ID() {
			o.t.Errorf("column %s has %d values of %s, want %d of %s", column.Name, col.Len(), col.DataType(), b.Rows, column.Type.Arrow())
			return false
		}
	}
	if o.plan.KeepsEventTime && (b.EventTime == nil) != (o.current != nil && o.current.EventTime == nil) || b.EventTime != nil && len(b.EventTime) != b.Rows {
		o.t.Errorf("emitted a batch of %d rows with %d event times; KeepsEventTime is %v", b.Rows, len(b.EventTime), o.plan.KeepsEventTime)
		return false
	}
	for j, i := range b.Sel {
		if i < 0 || int(i) >= b.Rows || j > 0 && b.Sel[j-1] >= i {
			o.t.Errorf("emitted a batch of %d rows with the selection %v", b.Rows, b.Sel)
			return false
		}
	}
	return o.noNulls(b, schema)
}

func (o *output) noNulls(b *columnar.Batch, schema *columnar.Schema) bool {
	for c, col := range b.Cols {
		if schema.Columns[c].Type.Nullable || col.NullN() == 0 {
			continue
		}
		for _, i := range selected(b) {
			if col.IsNull(int(i)) {
				o.t.Errorf("emitted null in column %s of type %s", schema.Columns[c].Name, schema.Columns[c].Type)
				return false
			}
		}
	}
	return true
}

func (o *output) RowError(b *columnar.Batch, row int32, cause error) {
	if !o.plan.MayFail {
		o.t.Errorf("RowError(%v), and the plan says that it may not fail", cause)
	}
	if o.current != nil {
		if !slices.Contains(selected(&o.current.Batch), row) {
			o.t.Errorf("RowError for row %d, which is not selected: %v", row, cause)
			return
		}
	} else if row < 0 || int(row) >= b.Rows {
		o.t.Errorf("RowError for row %d of %d", row, b.Rows)
		return
	}
	o.open = append(o.open, emitted{text: rowText("errors", b, int(row)) + ": " + cause.Error()})
}

func (o *output) late(text string) { o.open = append(o.open, emitted{text: text}) }

func (o *output) commit() {
	o.committed = append(o.committed, o.open...)
	o.open = o.open[:0]
}

func (o *output) abort() { o.open = o.open[:0] }

func (o *output) texts() []string {
	texts := make([]string, len(o.committed))
	for i, e := range o.committed {
		texts[i] = e.text
	}
	return texts
}

// lastPerKey is, for a convergent operator, what matters.
func (o *output) lastPerKey() []string {
	last := map[string]string{}
	for _, e := range o.committed {
		last[e.key] = e.text
	}
	texts := make([]string, 0, len(last))
	for _, text := range last {
		texts = append(texts, text)
	}
	return texts
}

func compareWant(t testing.TB, plain *output, want []string) {
	t.Helper()
	if diff := difference(plain.texts(), want, "emitted", "wanted"); diff != "" {
		t.Fatalf("the plain run:\n%s", diff)
	}
}

// compare says how a run differs from the plain one, as far as the class promises
// that it does not.
func compare(plan *operators.Plan, plain, got *output) string {
	if plan.Class == operators.Convergent {
		return difference(got.lastPerKey(), plain.lastPerKey(), "only here", "only in the plain run")
	}
	return difference(got.texts(), plain.texts(), "only here", "only in the plain run")
}

// difference compares two multisets of rows; "" means equal.
func difference(got, want []string, onlyGot, onlyWant string) string {
	count := map[string]int{}
	for _, g := range got {
		count[g]++
	}
	for _, w := range want {
		count[w]--
	}
	var lines []string
	for text, n := range count {
		for ; n > 0; n-- {
			lines = append(lines, fmt.Sprintf("%s: %s", onlyGot, text))
		}
		for ; n < 0; n++ {
			lines = append(lines, fmt.Sprintf("%s: %s", onlyWant, text))
		}
	}
	slices.Sort(lines)
	if len(lines) > 20 {
		lines = append(lines[:20], fmt.Sprintf("and %d more", len(lines)-20))
	}
	return strings.Join(lines, "\n")
}
