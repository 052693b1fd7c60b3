package expr

import (
	"math"
	"strings"
	"testing"

	"github.com/expr-lang/expr"

	"github.com/millrace/millrace/operators/columnar"
)

var allKinds = []kind{kBool, kBool, kInt, kFloat, kString, kBytes, kTime, kDuration, kJSON}

// TestColumnsEqualRows is the promise of two ways to evaluate: on random
// expressions, over random columns with nulls and extremes, and under random
// selections, both give the same values and the same faults.
func TestColumnsEqualRows(t *testing.T) {
	r := newRand(t)
	schema := mustSchema(t, randomColumns...)
	d := &data{r: r}
	used := map[string]bool{}
	for range 1000 {
		g := &generator{r: r, vars: map[kind][]string{}}
		text := g.gen(pick(r, allKinds), 1+r.Intn(4))
		if r.Intn(3) == 0 { // filters have their own way through these
			text = g.fill(pick(r, []string{"@b and @b", "@b or @b", "bn and @b", "@b or @b and @b", "@f > @f and @i == @i"}), 2)
		}
		p, err := compile(text, schema, Options{Deterministic: true, noFold: r.Intn(4) == 0})
		if err != nil {
			if err.Rule != "always-fails" && err.Rule != "bad-argument" {
				t.Fatalf("%s: %v", text, err)
			}
			continue
		}
		for name := range builtins {
			if strings.Contains(text, name+"(") {
				used[name] = true
			}
		}
		e := p.New()
		for range 3 { // the second and third batch find used scratch memory
			checkModes(t, p, e, d.batch(schema, r.Intn(70)))
		}
		if r.Intn(4) == 0 {
			checkLeaks(t, p, d.batch(schema, 80))
		}
	}
	for name, b := range builtins {
		if b.Category != "arrays" && name != "now" && !used[name] {
			t.Errorf("no random expression used %s", name)
		}
	}
}

// TestEqualsExprMachine compares with expr's own virtual machine where both mean
// the same: without nulls, and with numbers that do not overflow.
func TestEqualsExprMachine(t *testing.T) {
	r := newRand(t)
	schema := mustSchema(t, randomColumns...)
	d := &data{r: r, tame: true}
	compared := 0
	for range 800 {
		g := &generator{r: r, tame: true, vars: map[kind][]string{}}
		text := g.gen(pick(r, []kind{kBool, kInt, kFloat, kString}), 1+r.Intn(3))
		p, err := compile(text, schema, Options{})
		if err != nil {
			if err.Rule != "always-fails" {
				t.Fatalf("%s: %v", text, err)
			}
			continue
		}
		machine, merr := expr.Compile(text)
		if merr != nil {
			t.Fatalf("%s: %v", text, merr)
		}
		b := d.batch(schema, 20)
		arr, errs, rerr := p.New().Run(b)
		if rerr != nil {
			t.Fatal(rerr)
		}
		for i := range int32(20) {
			if errs.Get(i) != nil || b.Sel != nil {
				continue
			}
			want, merr := expr.Run(machine, machineRow(b, int(i)))
			if merr != nil {
				t.Fatalf("%s: %v", text, merr)
			}
			got := cellText(arr, p.typ, int(i))
			if !sameAsMachine(got, want) {
				t.Fatalf("%s\nrow %d %s\nours %s, expr's %v", text, i, rowText(b, i), got, want)
			}
			compared++
		}
	}
	if compared < 1000 {
		t.Errorf("only %d values were compared", compared)
	}
}

// machineRow is a row as expr's environment.
func machineRow(b *columnar.Batch, i int) map[string]any {
	env := map[string]any{}
	c := &column{}
	e := &Eval{b: b}
	for k, col := range b.Schema.Columns {
		c.index = k
		v, _ := c.row(e, int32(i))
		switch col.Type.Kind {
		case columnar.Bool:
			env[col.Name] = v.i == 1
		case columnar.Int64:
			env[col.Name] = int(v.i)
		case columnar.Float64:
			env[col.Name] = v.f
		case columnar.String:
			env[col.Name] = v.s
		}
	}
	return env
}

// sameAsMachine compares a literal with a value of the machine, numbers by value,
// since expr mixes int and float64 more freely.
func sameAsMachine(got string, want any) bool {
	var v value
	switch w := want.(type) {
	case bool:
		v = boolValue(w)
		return got == map[bool]string{true: "true", false: "false"}[w]
	case int:
		v.f = float64(w)
	case float64:
		v.f = w
	case string:
		lit, err := compile(got, emptySchema, Options{})
		return err == nil && lit.root.(*constant).v.s == w
	default:
		return false
	}
	f, err := textToFloat(got)
	return err == nil && (f == v.f || math.IsNaN(f) && math.IsNaN(v.f))
}

var emptySchema, _ = columnar.NewSchema()
