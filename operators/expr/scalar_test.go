package expr

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestCalendar compares the date parts with package time.
func TestCalendar(t *testing.T) {
	r := newRand(t)
	for range 20000 {
		us := r.Int63n(6e17) - 3e17 // the years -7500 to 11500
		at := time.UnixMicro(us).UTC()
		want := fmt.Sprint(at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), at.Second(), int(at.Weekday()))
		var got []string
		for _, f := range []func(int64) (int64, error){yearOf, monthOf, dayOf, hourOf, minuteOf, secondOf, weekdayOf} {
			v, _ := f(us)
			got = append(got, fmt.Sprint(v))
		}
		if s := strings.Join(got, " "); s != want {
			t.Fatalf("%v: %s, want %s", at, s, want)
		}
	}
}

// TestIntegerOverflow compares with exact arithmetic.
func TestIntegerOverflow(t *testing.T) {
	r := newRand(t)
	d := &data{r: r}
	for range 20000 {
		a, b := d.int(), d.int()
		if r.Intn(2) == 0 {
			a, b = int64(r.Uint64()), int64(r.Uint64())>>r.Intn(64)
		}
		x, y := big.NewInt(a), big.NewInt(b)
		for op, want := range map[arithOp]*big.Int{opAdd: new(big.Int).Add(x, y), opSub: new(big.Int).Sub(x, y), opMul: new(big.Int).Mul(x, y)} {
			got, over := intOp(op, a, b)
			if want.IsInt64() != (over == 0) || over > 1 || over == 0 && got != want.Int64() {
				t.Fatalf("%d op%d %d = %d (overflow %d), want %s", a, op, b, got, over, want)
			}
		}
	}
}

// TestMixedComparison compares integers with floats exactly, in all three ways
// that the compiler may take.
func TestMixedComparison(t *testing.T) {
	r := newRand(t)
	d := &data{r: r}
	for range 20000 {
		i, f := d.int(), d.float()
		if r.Intn(3) == 0 {
			f = float64(i) + pick(r, []float64{0, 0.5, -0.5, 1})
		}
		for name, op := range cmpOps {
			want := op == cmpNe
			switch {
			case math.IsInf(f, 0):
				want = holds(op, 0, math.Copysign(1, f))
			case f == f:
				want = holds(op, new(big.Float).SetInt64(i).Cmp(new(big.Float).SetFloat64(f)), 0)
			}
			if got := compareMixed(op, i, f); got != want {
				t.Fatalf("%d %s %v is %v", i, name, f, got)
			}
			if op2, c, ok := mixedConst(op, f); ok && holds(op2, i, c) != want {
				t.Fatalf("%d %s %v is not what the rewritten comparison says", i, name, f)
			}
			if exactFloat(i) && holds(op, float64(i), f) != want {
				t.Fatalf("%d %s %v is not what floats say", i, name, f)
			}
		}
	}
}

// TestTruth is Kleene's logic.
func TestTruth(t *testing.T) {
	for _, test := range []struct{ a, b, and, or uint8 }{
		{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 0, 2}, {1, 0, 0, 1}, {1, 1, 1, 1}, {1, 2, 2, 1}, {2, 0, 0, 2}, {2, 1, 2, 1}, {2, 2, 2, 2},
	} {
		if and3(test.a, test.b) != test.and || or3(test.a, test.b) != test.or {
			t.Errorf("%d, %d: and %d, or %d", test.a, test.b, and3(test.a, test.b), or3(test.a, test.b))
		}
	}
	if not3(0) != 1 || not3(1) != 0 || not3(2) != 2 {
		t.Error("not")
	}
}

// FuzzJSON walks over arbitrary bytes: never a panic, and on valid JSON what
// encoding/json finds.
func FuzzJSON(f *testing.F) {
	for _, j := range someJSON {
		f.Add(j, "a", int64(1))
	}
	f.Add(`{"a":[{"b":"\u00e9\\\""}], "a" : 2}`, "a", int64(-1))
	f.Add(`{"`, "", int64(0))
	f.Fuzz(func(t *testing.T, j, key string, i int64) {
		got, err := member(j, key)
		elem, eerr := element(j, i)
		n, _ := jsonLen(j)
		if !json.Valid([]byte(j)) || !utf8.ValidString(j) || !utf8.ValidString(key) {
			return
		}
		var obj map[string]json.RawMessage
		if json.Unmarshal([]byte(j), &obj) == nil && obj != nil {
			if raw, ok := obj[key]; ok != (err == nil) && string(raw) != "null" {
				t.Fatalf("%s: member %q is %q, %v", j, key, got, err)
			} else if ok && err == nil && !strings.Contains(got, string(raw)) && strings.Count(j, key) < 2 && !strings.Contains(j, `\`) {
				t.Fatalf("%s: member %q is %q, want %q", j, key, got, raw)
			}
			if len(obj) > int(n) {
				t.Fatalf("%s: length %d, at least %d", j, n, len(obj))
			}
		}
		var list []json.RawMessage
		if json.Unmarshal([]byte(j), &list) == nil && list != nil {
			if n != int64(len(list)) {
				t.Fatalf("%s: length %d, want %d", j, n, len(list))
			}
			if i < 0 {
				i += n
			}
			if inside := i >= 0 && i < n; inside && string(list[i]) != "null" && elem != string(list[i]) || !inside && eerr != errNull {
				t.Fatalf("%s: element %d is %q, %v", j, i, elem, eerr)
			}
		}
		var s string
		if json.Unmarshal([]byte(j), &s) == nil && strings.HasPrefix(trimJSON(j), `"`) {
			if text, err := jsonToText(nil, j); err != nil || string(text) != s {
				t.Fatalf("%s: text %q, %v, want %q", j, text, err, s)
			}
		}
	})
}
