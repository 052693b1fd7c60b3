package builtin

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/operatortest"
)

func TestMap(t *testing.T) {
	operatortest.Test(t, operatortest.Case{
		Spec:   mapSpec,
		Config: operatortest.Config{"columns": operatortest.Map{{"spend", "price / 4"}, {"ad", "ad"}, {"left", "1000 % price"}}},
		Schema: operatortest.Schema(t, "ad: string|null, price: int64|null"),
		Rows: []operatortest.Row{
			{Values: []any{"a", 10}, At: 3},
			{Values: []any{nil, 300}, At: 2},
			{Values: []any{"zero", 0}, At: 1},
			{Values: []any{"b", nil}, At: 4},
		},
		Want: []string{
			"2.5 a 0 @3", "75 null 100 @2", "null b null @4",
			`errors: zero 0 @1: division by zero (in "1000 % price" at character 6)`,
		},
	})
}

// TestMapPassesColumnsThrough: an entry that is just a column costs nothing: the very
// array comes out.
func TestMapPassesColumnsThrough(t *testing.T) {
	c := operatortest.Case{Spec: mapSpec, Config: operatortest.Config{"columns": operatortest.Map{{"name", "ad"}}}, Schema: operatortest.Schema(t, "n: int64, ad: string")}
	op, err := c.Plan(t).New()
	if err != nil {
		t.Fatal(err)
	}
	n, ad := columnar.NullArray(c.Schema.Columns[0].Type, 2), columnar.NullArray(c.Schema.Columns[1].Type, 2)
	out := &capture{}
	if err := op.Process(0, &columnar.Batch{Schema: c.Schema, Rows: 2, Cols: []arrow.Array{n, ad}}, out); err != nil {
		t.Fatal(err)
	}
	if len(out.cols) != 1 || out.cols[0] != ad {
		t.Errorf("came out: %v", out.cols)
	}
}

// capture keeps the columns of the last batch.
type capture struct {
	nowhere
	cols []arrow.Array
}

func (c *capture) Emit(b *columnar.Batch) error {
	c.cols = append([]arrow.Array{}, b.Cols...)
	return nil
}

func TestMapFaults(t *testing.T) {
	schema := operatortest.Schema(t, "ad: string, price: int64")
	config := operatortest.Config{"columns": operatortest.Map{{"a", "prise * 2"}, {"b", "ad + 1"}, {"a", "ad"}}}
	_, err := operatortest.Case{Spec: mapSpec, Config: config, Schema: schema}.TryPlan()
	checkFault(t, "map", err, "columns.a:1:1: ", "columns.b:1:", `columns.a:1:1: column "a" appears twice`)
	_, err = operatortest.Case{Spec: mapSpec, Config: operatortest.Config{"columns": operatortest.Map{}}, Schema: schema}.TryPlan()
	checkFault(t, "map of nothing", err, "needs at least one column")
}

// checkFault looks for parts of a plan's faults.
func checkFault(t *testing.T, what string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no fault", what)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the fault is %q, want %q in it", what, err, part)
		}
	}
}
