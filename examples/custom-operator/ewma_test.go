package main

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/operators/operatortest"
)

func TestEwma(t *testing.T) {
	operatortest.Test(t, operatortest.Case{
		Spec:   ewma,
		Config: operatortest.Config{"of": "price", "by": "ad", "alpha": 0.5},
		Schema: operatortest.Schema(t, "ad: string, price: int64|null"),
		Rows: []operatortest.Row{
			{Values: []any{"a", nil}, At: 1},
			{Values: []any{"a", 10}, At: 2},
			{Values: []any{"b", 7}, At: 3},
			{Values: []any{"a", 20}, At: 4},
			{Values: []any{"a", nil}, At: 5},
			{Values: []any{"a", 0}, At: 6},
		},
		Want: []string{"a null null @1", "a 10 10 @2", "b 7 7 @3", "a 20 15 @4", "a null 15 @5", "a 0 7.5 @6"},
	})
}

// TestEwmaKeepsItsPromises runs many rows through everything that an engine may do:
// crashes, aborts, other batches, more instances. The suite compares with a plain run.
func TestEwmaKeepsItsPromises(t *testing.T) {
	c := operatortest.Case{
		Spec:   ewma,
		Config: operatortest.Config{"of": "price", "by": []string{"ad", "user"}},
		Schema: operatortest.Schema(t, "ad: string, user: string|null, price: float64"),
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		var user any
		if rng.IntN(3) > 0 {
			user = string(rune('a' + rng.IntN(3)))
		}
		c.Rows = append(c.Rows, operatortest.Row{Values: []any{string(rune('x' + rng.IntN(3))), user, rng.Float64()}, At: int64(i), Split: int32(rng.IntN(2))})
	}
	operatortest.Test(t, c)
}

func TestEwmaFaults(t *testing.T) {
	schema := operatortest.Schema(t, "ad: string, price: int64, ewma: float64")
	for want, c := range map[string]operatortest.Config{
		`of:1:1: there is no column "prise"; did you mean price? [unknown-column]`:    {"of": "prise"},
		`of:1:1: column "ad" is string, not int64 or float64 [type-mismatch]`:         {"of": "ad"},
		`by[0]:1:1: there is no column "adv"; did you mean ad? [unknown-column]`:      {"of": "price", "by": "adv"},
		`the rows have a column "ewma" already; rename it with map first [duplicate]`: {"of": "price"},
	} {
		_, err := operatortest.Case{Spec: ewma, Config: c, Schema: schema}.TryPlan()
		if err == nil || !operatortest.Contains(err, want) {
			t.Errorf("%v: %v, want %s", c, err, want)
		}
	}
}
