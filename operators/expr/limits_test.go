package expr

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestLimits feeds expressions that a hostile user would: each is refused by name
// or compiled, and none exhausts the stack or the clock.
func TestLimits(t *testing.T) {
	schema := mustSchema(t, "a int64|null", "b bool", "s string", "j json")
	long := func(n int, sep, item string) string {
		return strings.TrimSuffix(strings.Repeat(item+sep, n), sep)
	}
	for _, test := range []struct {
		name, text, rule string
	}{
		{"source", long(MaxSourceBytes, "", "a"), ""},
		{"longer source", strings.Repeat("a", MaxSourceBytes+1), "too-large"},
		{"chain of sums", long(3000, "+", "1"), ""},
		{"chain of ands", long(2000, " and ", "b"), ""},
		{"too many nodes", long(5400, "+", "a"), "too-large"},
		{"else-if chain", strings.Repeat("if b {1} else ", 500) + "{2}", ""},
		{"ternary chain", strings.Repeat("b ? 1 : ", 500) + "2", ""},
		{"brackets", strings.Repeat("(", MaxDepth+1) + "a" + strings.Repeat(")", MaxDepth+1), "too-deep"},
		{"deepest brackets", strings.Repeat("(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth), ""},
		{"negations", strings.Repeat("not ", 2000) + "b", "too-deep"},
		{"minus signs", strings.Repeat("-", 8000) + "a", "too-deep"},
		{"powers", long(500, "^", "2"), "too-deep"},
		{"calls", strings.Repeat("abs(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth), "too-deep"},
		{"members", "j" + strings.Repeat(".a", 60), ""},
		{"more members", "j" + strings.Repeat(".a", 8000), "too-large"},
		{"shared nodes", strings.Repeat("(", 60) + "a" + strings.Repeat(" ?: 1)", 60), ""},
		{"shared comparisons", "a" + strings.Repeat(" < a", 2000), ""},
		{"pattern", fmt.Sprintf(`s matches "%s"`, strings.Repeat("a", MaxPatternBytes+1)), "bad-argument"},
		{"pattern that repeats", `s matches "((a{1000}){1000}){1000}"`, "bad-argument"},
		{"nested closures", `any(j, ` + strings.Repeat(`any(#, `, MaxDepth) + "true" + strings.Repeat(")", MaxDepth+1), "too-deep"},
		{"lets that double", "let v0 = s + s; " + doubled(60) + " v60", ""},
		{"null bytes", "a \x00", "syntax"},
		{"no UTF-8", "a \xff", "syntax"},
	} {
		_, err := compile(test.text, schema, Options{})
		rule := ""
		if err != nil {
			rule = err.Rule
		}
		// Where no rule is wanted, any outcome that names its rule will do.
		if test.rule != "" && rule != test.rule || err != nil && (rule == "" || err.Msg == "") {
			t.Errorf("%s: rule %q, want %q: %v", test.name, rule, test.rule, err)
		}
	}
}

func doubled(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "let v%d = v%d + v%d; ", i, i-1, i-1)
	}
	return b.String()
}

// TestTextBudget: sixty doublings would make 2^60 bytes of each row. The row fails
// instead.
func TestTextBudget(t *testing.T) {
	schema := mustSchema(t, "s string")
	b := table(t, []string{`  s string  "ab"  ""`})
	for _, text := range []string{
		"let v0 = s + s; " + doubled(30) + " len(v30)",
		`len(repeat(s, 1000000000))`,
		`len(replace(repeat(s, 100000), "a", repeat(s, 100000)))`,
	} {
		p, err := Compile(text, schema, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := p.New()
		checkModes(t, p, e, b)
		_, errs, err := e.Run(b)
		if err != nil || errs.Len() != 1 || errs.Get(0) == nil || !strings.Contains(errs.Get(0).Error(), msgTooLong) {
			t.Errorf("%s: %v, %v", text, err, errs)
		}
	}
}

// TestSteps: closures over arrays, and functions that compare all pairs, stop after
// MaxSteps, and so does text that they would build. The row fails.
func TestSteps(t *testing.T) {
	nested := "j"
	for range 18 {
		nested = "map(" + nested + ", [#, #])"
	}
	grown := "j"
	for range 25 {
		grown = "map(" + grown + ", # + # + #)"
	}
	schema := mustSchema(t, "j json", "s string", "k json")
	b := table(t, []string{
		`  j json  fromJSON("[" + repeat("\"abcdefgh\",", 999) + "\"z\"]")  fromJSON("[\"a\"]")`,
		`  s string  repeat("x", 1000000)  "x"`,
		`  k json  fromJSON("[" + repeat("[1],", 999) + "[2]]")  fromJSON("[[1]]")`,
	})
	for _, test := range []struct{ text, want string }{
		{`any(j, any(j, # == "none"))`, "steps"},
		{`any(j, # not in j and # == "none")`, "steps"},
		{`any(k, # in k and false)`, "steps"},
		{`len(uniq(j))`, "steps"},
		{`any(0..999999, # < 0)`, "memory budget"},
		{`any(0..99999, # < 0)`, ""},
		{`any(j, any(0..9999, # < 0))`, "steps"},
		{`len(map(j, # + s))`, "steps"},
		{`len(map(j, split(s, #)))`, ""},
		{`len(map(j, split(s, trim(#, "abcdefghz"))))`, "steps"},
		{`len(json(` + nested + `))`, "longer than"},
		{`len(join(` + grown + `, ""))`, "steps"},
		{`any(j, sum(0..99) < 0)`, ""},
		{`any(j, sum(0..len(#)) < 0)`, ""},
	} {
		p, err := Compile(test.text, schema, Options{})
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		_, errs, err := p.New().Run(b)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if errs.Get(0) != nil {
			got = errs.Get(0).Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", clip(test.text, 80), got, test.want)
		}
	}
}

// TestBatchText: much text in each of many rows is too much for one batch, and the
// memory does not grow far beyond the limit before that is said. The same rows in
// smaller batches are computed. (The limit is lowered, to save the test time.)
func TestBatchText(t *testing.T) {
	schema := mustSchema(t, "s string")
	b := table(t, []string{"  s string" + strings.Repeat(`  "0123456789"`, 300)})
	for _, text := range []string{`repeat(s, 1000)`, `repeat(s, 900) + s`, `len(repeat(s, 1000)) > 1`, `json(map([1], # == 1 ? repeat(s, 1000) : s))`} {
		p, err := Compile(text, schema, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := p.New()
		e.maxText = 1 << 20
		if _, _, err := e.Run(b); !errors.Is(err, errTooMuchText) {
			t.Errorf("%s: %v", text, err)
		}
		if cap(e.arena)+cap(e.out.data) > 4*e.maxText {
			t.Errorf("%s: %d and %d bytes are kept", text, cap(e.arena), cap(e.out.data))
		}
		arr, errs, err := e.Run(b.Select([]int32{7, 299}))
		if err != nil || errs.Len() > 0 || arr.IsNull(299) {
			t.Errorf("%s: two rows: %v %v", text, err, errs)
		}
	}
}
