package builtin

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/operators"
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

func TestAggregateFaults(t *testing.T) {
	schema := operatortest.Schema(t, "ad: string, price: int64, tags: json, window_end: int64")
	tumbling := operatortest.Config{"tumbling": "1m"}
	count := operatortest.Map{{"n", "count()"}}
	config := func(name string, v any) operatortest.Config {
		c := operatortest.Config{"by": "ad", "window": tumbling, "compute": count}
		c[name] = v
		return c
	}
	hopping := func(size, slide string) operatortest.Config {
		return operatortest.Config{"hopping": operatortest.Config{"size": size, "slide": slide}}
	}
	for want, c := range map[string]operatortest.Config{
		`by[1]:1:1: there is no column "adv"; did you mean ad? [unknown-column]`:                      config("by", []string{"ad", "adv"}),
		`by[1]:1:1: column "ad" appears twice`:                                                        config("by", []string{"ad", "ad"}),
		`by[0]:1:1: column "tags" is json`:                                                            config("by", "tags"),
		`the key has a column "window_end", which the window adds`:                                    config("by", "window_end"),
		`window:1:1: the window has no length; say {tumbling: 1m} or {hopping:`:                       config("window", operatortest.Config{}),
		`window.hopping:1:1: a window is either tumbling or hopping`:                                  config("window", operatortest.Config{"tumbling": "1m", "hopping": operatortest.Config{"size": "2m", "slide": "1m"}}),
		`window.hopping.slide:1:1: size (1m0s) must be a multiple of slide (40s)`:                     config("window", hopping("1m", "40s")),
		`window.hopping.slide:1:1: size (1m0s) must be a multiple of slide (2m0s)`:                    config("window", hopping("1m", "2m")),
		`window.hopping.slide:1:1: every row would count in 60000000 windows; at most 8640`:           config("window", hopping("1m", "1us")),
		`window.tumbling:1:1: must be longer than nothing`:                                            config("window", operatortest.Config{"tumbling": "0s"}),
		`window.tumbling:1:1: 1.5µs is not a whole number of microseconds`:                            config("window", operatortest.Config{"tumbling": "1500ns"}),
		`window.lateness:1:1: -1s is not`:                                                             config("window", operatortest.Config{"tumbling": "1s", "lateness": "-1s"}),
		`compute.n:1:1: there is no aggregate function cuont; did you mean count? [unknown-function]`: config("compute", operatortest.Map{{"n", "cuont()"}}),
		`compute.n:1:7: unknown column "prise"; did you mean price?`:                                  config("compute", operatortest.Map{{"n", "sum(  prise)"}}),
		`compute.n:1:4: sum needs an argument, for instance sum(price) [type-mismatch]`:               config("compute", operatortest.Map{{"n", "sum()"}}),
		`compute.n:1:5: avg is of numbers, and this is string`:                                        config("compute", operatortest.Map{{"n", "avg(ad)"}}),
		`compute.n:1:5: min is not of json`:                                                           config("compute", operatortest.Map{{"n", "min(tags)"}}),
		`compute.n:1:16: count_distinct is not of json`:                                               config("compute", operatortest.Map{{"n", "count_distinct(tags)"}}),
		`compute.n:1:12: sum takes one argument`:                                                      config("compute", operatortest.Map{{"n", "sum(price, price)"}}),
		`compute.ad:1:1: column "ad" is taken by the key`:                                             config("compute", operatortest.Map{{"ad", "count()"}}),
		`compute.window_start:1:1: column "window_start" is taken by the window`:                      config("compute", operatortest.Map{{"window_start", "count()"}}),
		`compute.n:1:1: column "n" is taken by compute`:                                               config("compute", operatortest.Map{{"n", "count()"}, {"n", "count()"}}),
		`compute:1:1: compute needs at least one column`:                                              config("compute", operatortest.Map{}),
	} {
		_, err := operatortest.Case{Spec: aggregateSpec, Config: c, Schema: schema}.TryPlan()
		checkFault(t, want, err, want)
	}
}

// TestManyDistinct: every count_distinct keeps its elements in a space of state of its
// own, and an operator has 127 beside its rows. One more was accepted, and ended the
// run with a panic.
func TestManyDistinct(t *testing.T) {
	plan := func(n int) (*operators.Plan, error) {
		var compute operatortest.Map
		for i := range n {
			compute = append(compute, [2]string{fmt.Sprint("c", i), "count_distinct(ad)"})
		}
		return operatortest.Case{Spec: aggregateSpec, Schema: operatortest.Schema(t, "ad: string"),
			Config: operatortest.Config{"window": operatortest.Config{"tumbling": "1m"}, "compute": compute}}.TryPlan()
	}
	if _, err := plan(127); err != nil {
		t.Error(err)
	}
	_, err := plan(128)
	checkFault(t, "128 of them", err, "compute.c127:1:1: an aggregate has at most 127 count_distinct")
}

// TestAggregateStateLayout: what changes the meaning of state changes its layout;
// names of results and lateness do not.
func TestAggregateStateLayout(t *testing.T) {
	layout := func(by, tumbling, lateness, name, call string) string {
		return operatortest.Case{Spec: aggregateSpec, Schema: operatortest.Schema(t, "ad: string, user: string, price: int64"), Config: operatortest.Config{
			"by": by, "window": operatortest.Config{"tumbling": tumbling, "lateness": lateness}, "compute": operatortest.Map{{name, call}}}}.Plan(t).StateLayout
	}
	base := layout("ad", "1m", "0s", "n", "sum(price)")
	if want := "by {ad: string} tumbling 1m0s compute sum(price: int64)"; base != want {
		t.Errorf("layout %q, want %q", base, want)
	}
	for _, same := range []string{layout("ad", "60s", "0s", "n", "sum( price )"), layout("ad", "1m", "9s", "n", "sum(price)"), layout("ad", "1m", "0s", "total", "sum(price)")} {
		if same != base {
			t.Errorf("layout %q differs from %q without need", same, base)
		}
	}
	for _, other := range []string{layout("user", "1m", "0s", "n", "sum(price)"), layout("ad", "2m", "0s", "n", "sum(price)"), layout("ad", "1m", "0s", "n", "max(price)"),
		layout("ad", "1m", "0s", "n", "sum(price * 2)"), layout("ad", "1m", "0s", "n", "sum(price / 2)")} {
		if other == base {
			t.Errorf("layout %q for another state", other)
		}
	}
	// Blanks between words mean nothing, those inside of text do.
	if one, two := layout("ad", "1m", "0s", "n", `max(user + "a b")`), layout("ad", "1m", "0s", "n", `max(user + "a  b")`); one == two {
		t.Errorf("layout %q for two texts", one)
	}
}

// TestAggregateGlobalKey: without `by` there is one key, and still one row per window.
func TestAggregateGlobalKey(t *testing.T) {
	c := operatortest.Case{
		Spec:   aggregateSpec,
		Config: operatortest.Config{"window": operatortest.Config{"hopping": operatortest.Config{"size": "2us", "slide": "1us"}}, "compute": operatortest.Map{{"high", "max(s)"}, {"any", "max(b)"}, {"kinds", "count_distinct(b)"}}},
		Schema: operatortest.Schema(t, "s: string, b: bool|null"),
		Rows:   []operatortest.Row{{Values: []any{"", nil}, At: 0}, {Values: []any{"x", false}, At: 1, Split: 1}, {Values: []any{"w", true}, At: 1}},
		Want:   []string{"-1 1  null 0 @0", "0 2 x true 2 @1", "1 3 x true 2 @2"},
	}
	operatortest.Test(t, c)
	if key := c.Plan(t).Key; len(key) != 1 || key[0] == nil || len(key[0]) != 0 {
		t.Errorf("key %#v", key)
	}
}
