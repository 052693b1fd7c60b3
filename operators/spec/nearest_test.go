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
