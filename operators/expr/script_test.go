package expr

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/operators/columnar"
)

var update = flag.Bool("update", false, "rewrite testdata and docs/expressions.md")

// script runs a file of testdata: a line that starts in the first column is an
// input, the indented line below it what run makes of it. "# " begins a remark and
// "table" a table of columns, which run gets with the inputs that follow.
func script(t *testing.T, path string, run func(b *columnar.Batch, input string) string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	var out []string
	batch := &columnar.Batch{Schema: emptySchema, Rows: 1}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out = append(out, line)
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case line == "table":
			var rows []string
			for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  "); i++ {
				rows = append(rows, lines[i+1])
				out = append(out, lines[i+1])
			}
			batch = table(t, rows)
		default:
			want := ""
			for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  "); i++ {
				want = strings.TrimSpace(lines[i+1])
			}
			got := run(batch, line)
			out = append(out, "  "+got)
			if got != want && !*update {
				t.Errorf("%s: %s\n got %s\nwant %s", path, line, got, want)
			}
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var gap = regexp.MustCompile(`  +`)

// table is a batch from lines of "name type", then values, two spaces apart. A
// value is an expression.
func table(t *testing.T, rows []string) *columnar.Batch {
	var names []string
	var cells [][]string
	for _, r := range rows {
		f := gap.Split(strings.TrimSpace(r), -1)
		names, cells = append(names, f[0]), append(cells, f[1:])
	}
	b := &columnar.Batch{Schema: mustSchema(t, names...), Rows: len(cells[0])}
	for c, col := range b.Schema.Columns {
		if len(cells[c]) != b.Rows {
			t.Fatalf("column %s has %d values, not %d", col.Name, len(cells[c]), b.Rows)
		}
		b.Cols = append(b.Cols, literals(t, col.Type, cells[c]))
	}
	return b
}

func literals(t *testing.T, ct columnar.Type, texts []string) arrow.Array {
	bld := array.NewBuilder(memory.DefaultAllocator, ct.Arrow())
	defer bld.Release()
	for _, text := range texts {
		if text == "nil" {
			bld.AppendNull()
			continue
		}
		p, err := compile(text, emptySchema, Options{Want: ct.Kind})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		v, fault := p.root.row(nil, 0)
		if fault != nil {
			t.Fatalf("%s: %v", text, fault)
		}
		switch bld := bld.(type) {
		case *array.BooleanBuilder:
			bld.Append(v.i == 1)
		case *array.Int64Builder:
			bld.Append(v.i)
		case *array.Float64Builder:
			bld.Append(v.f)
		case *array.TimestampBuilder:
			bld.Append(arrow.Timestamp(v.i))
		case *array.StringBuilder:
			bld.Append(v.s)
		case *array.BinaryBuilder:
			bld.AppendString(v.s)
		}
	}
	return bld.NewArray()
}

// TestSemantics is the meaning of expressions by example: types, nulls, overflow,
// evaluation by need. Each is evaluated as columns and row by row.
func TestSemantics(t *testing.T) {
	script(t, "testdata/semantics.txt", func(b *columnar.Batch, input string) string {
		p, cerr := compile(input, b.Schema, Options{})
		if cerr != nil {
			return cerr.Error()
		}
		e := p.New()
		checkModes(t, p, e, b)
		arr, errs, err := e.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i := range b.Rows {
			if err := errs.Get(int32(i)); err != nil {
				out = append(out, "!"+err.(*Fault).Msg)
			} else {
				out = append(out, cellText(arr, p.typ, i))
			}
		}
		mode := ""
		if p.Mode() == Rows {
			mode = " (rows)"
		}
		return fmt.Sprintf("%s%s: %s", p.Type(), mode, strings.Join(out, "  "))
	})
}

// TestErrors is what a user reads when an expression is wrong: which characters,
// why, what to do.
func TestErrors(t *testing.T) {
	script(t, "testdata/errors.txt", func(b *columnar.Batch, input string) string {
		opts := Options{Deterministic: true}
		if rest, ok := strings.CutPrefix(input, "filter: "); ok {
			opts.Want, input = columnar.Bool, rest
		}
		_, err := compile(input, b.Schema, opts)
		if err == nil {
			return "no error"
		}
		runes := []rune(input)
		if err.From < 0 || err.To <= err.From || err.To > len(runes)+1 {
			t.Errorf("%s: the place [%d,%d) is not in the text", input, err.From, err.To)
		}
		return fmt.Sprintf("%q %s", string(runes[min(err.From, len(runes)):min(err.To, len(runes))]), err)
	})
}
