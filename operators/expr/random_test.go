package expr

import (
	"flag"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/operators/columnar"
)

var seedFlag = flag.Int64("seed", 0, "seed of the random tests; 0 means from the clock")

// newRand prints its seed, so that a failure can be repeated with -seed.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("repeat with -seed=%d", seed)
	return rand.New(rand.NewSource(seed))
}

func mustSchema(t testing.TB, columns ...string) *columnar.Schema {
	t.Helper()
	var cols []columnar.Column
	for _, c := range columns {
		name, typ, _ := strings.Cut(c, " ")
		ct, err := columnar.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		cols = append(cols, columnar.Column{Name: name, Type: ct})
	}
	s, err := columnar.NewSchema(cols...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// randomColumns is the schema of the random tests: of every kind one column that
// can be null (with n at the end) and two that cannot.
var randomColumns = []string{
	"i int64", "j int64", "im int64|null", "f float64", "g float64", "fn float64|null",
	"s string", "u string", "sn string|null", "b bool", "c bool", "bn bool|null",
	"at timestamp(us)", "to timestamp(us)", "atn timestamp(us)|null",
	"y bytes", "yn bytes|null", "p json", "pn json|null",
}

var (
	someInts   = []int64{0, 1, -1, 2, 7, 60, 1e6, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1, -1 << 53, 1 << 32, 3037000500}
	someFloats = []float64{0, 1, -1, 1.5, -2.5, 7, 1e6, 1e300, -1e300, 1 << 53, 1 << 63, -1 << 63, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1), 5e-324}
	someTexts  = []string{"", "a", "b", "ab", "abc", "ABC", "héllo", "x=1,y=2", "a,b,c", "12", "-7", "1.5", "true", "2026-01-02T03:04:05Z", "12345678", "123456789", " pad ", "日本語", "Dec 10 06:55:46", "longer than eight bytes"}
	someJSON   = []string{`{"a": 1, "b": "x", "c": [1, 2, 3]}`, `{"a": "12", "b": null}`, `{"a": 1.5, "c": []}`, `[1, "a", null, {"a": 2}]`, `"text"`, `12`, `true`, `{"a": {"b": {"c": 9007199254740993}}}`, ` { "a\u0062" : "\ud83d\ude00" } `, `{"a": true, "c": ["a", "b"]}`}
)

// data makes arrays of random values.
type data struct {
	r    *rand.Rand
	tame bool // no extremes and no nulls
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.Intn(len(from))] }

func (d *data) int() int64 {
	switch {
	case d.tame:
		return int64(d.r.Intn(41) - 20)
	case d.r.Intn(3) == 0:
		return pick(d.r, someInts)
	}
	return int64(d.r.Intn(21) - 10)
}

func (d *data) float() float64 {
	switch {
	case d.tame:
		return float64(d.r.Intn(401)-200) / 8
	case d.r.Intn(3) == 0:
		return pick(d.r, someFloats)
	}
	return d.r.NormFloat64() * 10
}

func (d *data) text() string {
	if d.r.Intn(4) > 0 {
		return pick(d.r, someTexts)
	}
	b := make([]byte, d.r.Intn(12))
	for i := range b {
		b[i] = "abc ,=1A"[d.r.Intn(8)]
	}
	return string(b)
}

func (d *data) time() int64 {
	if !d.tame && d.r.Intn(10) == 0 {
		return pick(d.r, someInts)
	}
	return d.r.Int63n(4e15) - 1e15
}

// array is a column of n random values; pad rows stand before it in the buffers,
// so that offsets into bitmaps are tried.
func (d *data) array(t columnar.Type, n int) arrow.Array {
	pad := 0
	if d.r.Intn(3) == 0 {
		pad = 1 + d.r.Intn(9)
	}
	b := array.NewBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for range n + pad {
		if t.Nullable && !d.tame && d.r.Intn(4) == 0 {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.BooleanBuilder:
			b.Append(d.r.Intn(2) == 0)
		case *array.Int64Builder:
			b.Append(d.int())
		case *array.Float64Builder:
			b.Append(d.float())
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(d.time()))
		case *array.StringBuilder:
			if t.Kind == columnar.JSON {
				b.Append(pick(d.r, someJSON))
			} else {
				b.Append(d.text())
			}
		case *array.BinaryBuilder:
			b.AppendString(d.text() + pick(d.r, []string{"", "\xff"}))
		}
	}
	return array.NewSlice(b.NewArray(), int64(pad), int64(n+pad))
}

// batch is a random batch with a random selection.
func (d *data) batch(s *columnar.Schema, rows int) *columnar.Batch {
	b := &columnar.Batch{Schema: s, Rows: rows}
	for _, c := range s.Columns {
		b.Cols = append(b.Cols, d.array(c.Type, rows))
	}
	switch d.r.Intn(4) {
	case 0:
		b.Sel = []int32{}
		for i := range rows {
			if d.r.Intn(5) == 0 {
				b.Sel = append(b.Sel, int32(i))
			}
		}
	case 1:
		b.Sel = []int32{}
		for i := range rows {
			if d.r.Intn(5) > 0 {
				b.Sel = append(b.Sel, int32(i))
			}
		}
	}
	return b
}

// cellText is row i of an array as an expression would write it.
func cellText(arr arrow.Array, t columnar.Type, i int) string {
	if arr.IsNull(i) {
		return "nil"
	}
	switch a := arr.(type) {
	case *array.Boolean:
		return fmt.Sprint(a.Value(i))
	case *array.Int64:
		return fmt.Sprint(a.Value(i))
	case *array.Float64:
		b, _ := appendFloat(nil, a.Value(i))
		if s := string(b); !strings.ContainsAny(s, ".eNI") {
			return s + ".0"
		}
		return string(b)
	case *array.Timestamp:
		b, _ := appendTimestamp(nil, int64(a.Value(i)))
		return fmt.Sprintf("timestamp(%q)", b)
	case *array.String:
		if t.Kind == columnar.JSON {
			return fmt.Sprintf("fromJSON(%q)", a.Value(i))
		}
		return fmt.Sprintf("%q", a.Value(i))
	case *array.Binary:
		return fmt.Sprintf("b%q", a.Value(i))
	}
	return fmt.Sprintf("%T", arr)
}

// results are the values and faults of a program by row of b.Sel, as text.
func results(t testing.TB, p *Program, e *Eval, b *columnar.Batch, mode Mode) map[int32]string {
	t.Helper()
	arr, errs, err := e.run(b, mode)
	if err != nil {
		t.Fatalf("%s: %v", p.text, err)
	}
	if arr.Len() < b.Rows {
		t.Fatalf("%s: %d values for %d rows", p.text, arr.Len(), b.Rows)
	}
	out := map[int32]string{}
	for _, i := range e.rows(b.Sel) {
		if err := errs.Get(i); err != nil {
			out[i] = "!" + err.Error()
		} else {
			out[i] = cellText(arr, p.typ, int(i))
		}
	}
	checkPools(t, p, e)
	if errs.Len() > 0 && !p.MayFail() {
		t.Fatalf("%s: failed, though it may not: %v", p.text, errs.List[0].Err)
	}
	for k, re := range errs.list() {
		if _, selected := out[re.Row]; !selected {
			t.Fatalf("%s: row %d is not selected but has an error: %v", p.text, re.Row, re.Err)
		}
		if k > 0 && errs.List[k-1].Row >= re.Row {
			t.Fatalf("%s: errors are out of order", p.text)
		}
	}
	return out
}

// checkPools finds memory that was given back twice, or given back while the last
// result still refers to it, and lists all scratch memory.
func checkPools(t testing.TB, p *Program, e *Eval) map[any]bool {
	t.Helper()
	seen := map[any]bool{}
	once := func(first any) {
		if seen[first] {
			t.Fatalf("%s: scratch memory was released twice", p.text)
		}
		seen[first] = true
	}
	note(once, append(e.ints.free, e.out.lent.ints))
	note(once, append(e.floats.free, e.out.lent.floats))
	note(once, append(e.bytes.free, e.failed))
	note(once, e.texts.free)
	note(once, e.sels.free)
	for _, c := range e.cols {
		if c.own&ownValues != 0 {
			note(once, [][]uint8{c.tri})
		}
		if c.own&ownNulls != 0 {
			note(once, [][]uint8{c.nulls})
		}
	}
	return seen
}

// checkLeaks runs a batch until all scratch memory is there, and then once more,
// which must not make any.
func checkLeaks(t testing.TB, p *Program, b *columnar.Batch) {
	t.Helper()
	e := p.New()
	var before map[any]bool
	for range 3 {
		before = checkPools(t, p, e)
		if _, _, err := e.run(b, p.mode); err != nil {
			t.Fatal(err)
		}
	}
	for first := range checkPools(t, p, e) {
		if !before[first] {
			t.Fatalf("%s: scratch memory is lost in every call", p.text)
		}
	}
}

func note[T any](once func(any), slices [][]T) {
	for _, s := range slices {
		if cap(s) > 0 {
			once(&s[:1][0])
		}
	}
}

func (r *RowErrors) list() []RowError {
	if r == nil {
		return nil
	}
	return r.List
}

// checkModes evaluates a program as columns and row by row and compares.
func checkModes(t testing.TB, p *Program, e *Eval, b *columnar.Batch) {
	t.Helper()
	if p.Mode() != Columns {
		return
	}
	byRow := results(t, p, e, b, Rows)
	byColumn := results(t, p, e, b, Columns)
	for i, want := range byRow {
		if got := byColumn[i]; got != want {
			t.Fatalf("%s\nrow %d %s\ncolumns: %s\nrows:    %s", p.text, i, rowText(b, i), got, want)
		}
		if want == "nil" && !p.Type().Nullable {
			t.Fatalf("%s: null at row %d %s, but the type is %s", p.text, i, rowText(b, i), p.Type())
		}
	}
	if p.Type().Kind != columnar.Bool {
		return
	}
	for _, mode := range []Mode{Columns, Rows} {
		sel, errs, err := e.runFilter(b, nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		k := 0
		for _, i := range e.rows(b.Sel) {
			kept := k < len(sel) && sel[k] == i
			k += b2i(kept)
			if kept != (byRow[i] == "true") {
				t.Fatalf("%s\nfilter by %s: row %d %s kept %v, value %s", p.text, mode, i, rowText(b, i), kept, byRow[i])
			}
			if err := errs.Get(i); (err != nil) != strings.HasPrefix(byRow[i], "!") || err != nil && "!"+err.Error() != byRow[i] {
				t.Fatalf("%s\nfilter by %s: row %d error %v, value %s", p.text, mode, i, err, byRow[i])
			}
		}
		if k != len(sel) {
			t.Fatalf("%s: the filter kept rows that are not selected", p.text)
		}
	}
}

func rowText(b *columnar.Batch, i int32) string {
	var out []string
	for k, c := range b.Schema.Columns {
		out = append(out, c.Name+"="+cellText(b.Cols[k], c.Type, int(i)))
	}
	return strings.Join(out, " ")
}
