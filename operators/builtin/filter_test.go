package builtin

import (
	"testing"

	"github.com/millrace/millrace/operators/operatortest"
)

func TestFilter(t *testing.T) {
	c := operatortest.Case{
		Spec:   filterSpec,
		Config: operatortest.Config{"where": `kind == "click" and 10 % price > 0`},
		Schema: operatortest.Schema(t, "kind: string|null, price: int64|null"),
		Rows: []operatortest.Row{
			{Values: []any{"click", 3}, At: 5},
			{Values: []any{"click", 5}, At: 4},   // false
			{Values: []any{"view", 0}, At: 3},    // the left side has decided
			{Values: []any{"click", nil}, At: 2}, // null is not true
			{Values: []any{nil, 3}, At: 1},       // neither is this
			{Values: []any{"click", 0}, At: 9},   // fails
			{Values: []any{"click", 7}, At: 0},
		},
		Want: []string{
			"click 3 @5", "click 7 @0",
			`errors: click 0 @9: division by zero (in "kind == \"click\" and 10 % price > 0" at character 24)`,
		},
	}
	operatortest.Test(t, c)
	plan := c.Plan(t)
	if !plan.PassesThrough || len(plan.Columns[0]) != 2 || plan.Key != nil {
		t.Errorf("plan %+v", plan)
	}
}

func TestFilterFaults(t *testing.T) {
	schema := operatortest.Schema(t, "kind: string, price: int64")
	for where, want := range map[string]string{
		`knd == "click"`: "where:1:1: ",
		`price + 1`:      "where:1:",
		`price > `:       "where:1:",
	} {
		_, err := operatortest.Case{Spec: filterSpec, Config: operatortest.Config{"where": where}, Schema: schema}.TryPlan()
		checkFault(t, where, err, want)
	}
}
