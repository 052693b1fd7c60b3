package dsl

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"filter", "map", "aggregate", "join", "late", "out_of_order", "a", "ab"}
	for name, want := range map[string]string{
		"filtr": "filter", "flter": "filter", "fitler": "filter", "FILTER": "filter", "filters": "filter",
		"mpa": "map", "mop": "map", "agregate": "aggregate", "aggregation": "aggregate", "out-of-order": "out_of_order",
		"jion": "join", "lat": "late", "b": "a", "wibble": "", "xyz": "", "maximum": "", "": "a",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest to %q is %q, not %q", name, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"é", "e", 1}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, not %d", c.a, c.b, got, c.want)
		}
		if got := editDistance(c.b, c.a); got != c.want {
			t.Errorf("from %q to %q: %d, not %d", c.b, c.a, got, c.want)
		}
	}
}
