package builtin

import (
	"testing"

	"github.com/millrace/millrace/operators/operatortest"
)

func TestAggregateTumbling(t *testing.T) {
	operatortest.Test(t, operatortest.Case{
		Spec: aggregateSpec,
		Config: operatortest.Config{
			"by":      "ad",
			"window":  operatortest.Config{"tumbling": "1s"},
			"compute": operatortest.Map{{"n", "count()"}, {"total", "sum(price)"}},
		},
		Schema: operatortest.Schema(t, "ad: string, price: int64|null"),
		Rows: []operatortest.Row{
			{Values: []any{"a", 1}, At: 100},
			{Values: []any{"b", nil}, At: 999_999},
			{Values: []any{"a", 2}, At: 1_000_000},
			{Values: []any{"a", 3}, At: 5},
			{Values: []any{"a", 3}, At: 2_500_000},
			{Values: []any{"c", 3}, At: -1},
		},
		OutOfOrder: 3_000_000,
		Want: []string{
			"a 0 1000000 2 4 @999999",
			"b 0 1000000 1 null @999999",
			"a 1000000 2000000 1 2 @1999999",
			"a 2000000 3000000 1 3 @2999999",
			"c -1000000 0 1 3 @-1",
		},
	})
}
