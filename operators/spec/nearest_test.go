package spec

import "testing"

func TestDidYouMean(t *testing.T) {
	columns := []string{"ad", "user", "kind", "price", "at"}
	for name, want := range map[string]string{
		"pirce":   "did you mean price?",
		"Price":   "did you mean price?",
		"usr":     "did you mean user?",
		"kindd":   "did you mean kind?",
		"country": "known are ad, user, kind, price, at",
		"":        "known are ad, user, kind, price, at",
	} {
		if got := DidYouMean(name, columns); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("x", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"filter", "map", "aggregate", "join", "late", "out_of_order", "a", "ab"}
	for name, want := range map[string]string{
		"filtr": "filter", "flter": "filter", "fitler": "filter", "FILTER": "filter", "filters": "filter",
		"mpa": "map", "mop": "map", "agregate": "aggregate", "aggregation": "aggregate", "out-of-order": "out_of_order",
		"jion": "join", "lat": "late", "b": "a", "wibble": "", "xyz": "", "maximum": "", "": "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("nearest to %q is %q, not %q", name, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"é", "e", 1}} {
		if got := edits(c.a, c.b, 99); got != c.want {
			t.Errorf("from %q to %q: %d, not %d", c.a, c.b, got, c.want)
		}
		if got := edits(c.b, c.a, 99); got != c.want {
			t.Errorf("from %q to %q: %d, not %d", c.b, c.a, got, c.want)
		}
	}
}
