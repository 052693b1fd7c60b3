package expr

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
)

// A batch that does not fit is an error, not a panic and not a wrong result.
func TestBatchMustFit(t *testing.T) {
	schema := mustSchema(t, "a int64", "b string")
	p, err := Compile(`a + 1`, schema, Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := table(t, []string{"  a int64  1  2", `  b string  "x"  "y"`})
	for _, test := range []struct {
		name string
		cols []arrow.Array
		rows int
		want string
	}{
		{"number of columns", good.Cols[:1], 2, "has 1 columns"},
		{"kind", []arrow.Array{good.Cols[1], good.Cols[0]}, 2, `column "a" holds utf8, not int64`},
		{"missing", []arrow.Array{nil, good.Cols[1]}, 2, `column "a" is not in the batch`},
		{"length", good.Cols, 3, `column "a" has 2 rows, the batch 3`},
	} {
		_, _, err := p.New().Run(&columnar.Batch{Schema: schema, Cols: test.cols, Rows: test.rows})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// A column that is not read may be missing.
	if _, _, err := p.New().Run(&columnar.Batch{Schema: schema, Cols: []arrow.Array{good.Cols[0], nil}, Rows: 2}); err != nil {
		t.Error(err)
	}
	if _, _, err := p.New().Filter(good, nil); err == nil {
		t.Error("a filter by an integer was accepted")
	}
}

func TestProgram(t *testing.T) {
	schema := mustSchema(t, "a int64", "b string|null", "at timestamp(ns)", "j json")
	for _, test := range []struct {
		text, typ, columns, mode string
		mayFail                  bool
	}{
		{`a`, "int64", "a", "columns", false},
		{`at`, "timestamp(ns)", "at", "columns", false},
		{`truncate(at, "1m")`, "timestamp(ns)", "at", "columns", false},
		{`a / 1e6`, "float64", "a", "columns", false},
		{`a / a`, "float64", "a", "columns", true},
		{`b == "x" and a > 1`, "bool|null", "a b", "columns", false},
		{`b ?? "x"`, "string", "b", "columns", false},
		{`at - at`, "int64", "at", "columns", true},
		{`any(j.items, # == b)`, "bool|null", "b j", "rows", true},
		{`1`, "int64", "", "columns", false},
		{`let x = a; x > 1 and x < 5`, "bool", "a", "columns", false},
	} {
		p, err := Compile(test.text, schema, Options{Deterministic: true})
		if err != nil {
			t.Fatal(err)
		}
		if p.Type().String() != test.typ || strings.Join(p.Columns(), " ") != test.columns || string(p.Mode()) != test.mode || p.MayFail() != test.mayFail {
			t.Errorf("%s: %s, reads %v, %s, may fail %v", test.text, p.Type(), p.Columns(), p.Mode(), p.MayFail())
		}
	}
}

// Canonical text does not change with the way an expression is written down.
func TestCanonical(t *testing.T) {
	schema := mustSchema(t, "a int64", "b int64")
	texts := map[string]string{}
	for _, text := range []string{`a+b > 1 and a<2`, "(a + b) > 1\n  and (a < 2)"} {
		p, err := Compile(text, schema, Options{})
		if err != nil {
			t.Fatal(err)
		}
		texts[p.Canonical()] = text
	}
	if len(texts) != 1 {
		t.Errorf("different canonical texts: %v", texts)
	}
}

// Want converts integers for a float and refuses the rest.
func TestWant(t *testing.T) {
	schema := mustSchema(t, "a int64")
	p, err := Compile(`a`, schema, Options{Want: columnar.Float64})
	if err != nil || p.Type().Kind != columnar.Float64 {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := Compile(`a`, schema, Options{Want: columnar.Bool}); err == nil {
		t.Error("an integer was accepted as a filter")
	}
}

// now() is one moment for all rows of a batch.
func TestNow(t *testing.T) {
	p, err := Compile(`now() - now() == duration("0s") and now() > timestamp("2020-01-01T00:00:00Z")`, emptySchema, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &columnar.Batch{Schema: emptySchema, Rows: 5}
	sel, errs, err := p.New().Filter(b, nil)
	if err != nil || errs.Len() > 0 || len(sel) != 5 {
		t.Errorf("%v %v %v", sel, errs, err)
	}
}

// The hot path allocates a few Arrow headers per batch and nothing per row.
func TestAllocations(t *testing.T) {
	schema, batches := benchBatches(t)
	for _, text := range []string{
		`price * 2 + qty`, `price / 1e6`, `(tip ?? 0.0) * rate`, `if price > 300 {rate} else {rate * 0.5}`,
		`upper(channel) + user`, `truncate(at, "5m")`, `int(payload.user.age)`, `split(line, " ")[8]`, `string(price)`,
	} {
		p, err := Compile(text, schema, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := p.New()
		if n := testing.AllocsPerRun(20, func() {
			if _, _, err := e.Run(batches[0]); err != nil {
				t.Fatal(err)
			}
		}); n > 16 {
			t.Errorf("%s: %.0f allocations for %d rows", text, n, benchBatch)
		}
	}
	for _, text := range []string{`price * 0.908 > 100 and channel == "apple"`, `tip != nil and tip > 0.5 or qty in [1, 2]`} {
		p, err := Compile(text, schema, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := p.New()
		var sel []int32
		if n := testing.AllocsPerRun(20, func() {
			if sel, _, err = e.Filter(batches[0], sel); err != nil {
				t.Fatal(err)
			}
		}); n > 3 {
			t.Errorf("%s: %.0f allocations for %d rows", text, n, benchBatch)
		}
	}
}

// FuzzCompile takes arbitrary text: never a panic, errors have a place in the text,
// and what compiles evaluates the same both ways.
func FuzzCompile(f *testing.F) {
	for _, fn := range append(Functions(), Operators()...) {
		for _, ex := range fn.Examples {
			f.Add(ex.Expr)
		}
	}
	for _, forms := range leaves {
		for _, text := range forms {
			f.Add(text)
		}
	}
	f.Add(`if i > 1 and sn != nil {upper(s)} else {sn ?? u}`)
	f.Add(`any(p.c, # > i) or count(split(s, ","), # == u) > 1`)
	schema := mustSchema(f, randomColumns...)
	d := &data{r: rand.New(rand.NewSource(1))} // a finding must not depend on the day
	b := d.batch(schema, 12)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := compile(text, schema, Options{Deterministic: true})
		if err != nil {
			if err.From < 0 || err.To <= err.From || err.Msg == "" || err.Rule == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		e := p.New()
		results(t, p, e, b, p.Mode())
		checkModes(t, p, e, b)
	})
}
