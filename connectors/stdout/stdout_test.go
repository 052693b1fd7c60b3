package stdout

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func newTestSink(t *testing.T, schema *columnar.Schema, format, prefix string, out interface{ Write([]byte) (int, error) }) connectors.AfterCommitSink {
	t.Helper()
	in := connectors.SinkInput{Name: "shown", Schema: schema}
	in.Config = spec.Config{Values: map[string]spec.Value{"prefix": {Type: spec.String, Text: prefix}}}
	in.Format = connectors.Format{Name: format, Config: spec.Config{Values: map[string]spec.Value{
		"delimiter": {Type: spec.String, Text: ","}, "header": {Type: spec.Boolean, Bool: true},
	}}}
	plan, err := Spec.Plan(in)
	if err != nil || plan.Guarantee != connectors.AtMostOnce {
		t.Fatalf("planned %+v, %v", plan, err)
	}
	s, err := plan.AfterCommit(connectors.Env{Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	for _, format := range []string{"", "json", "csv"} {
		t.Run("format "+format, func(t *testing.T) {
			var out bytes.Buffer
			connectortest.TestAfterCommit(t, connectortest.AfterCommit{
				New: func(t *testing.T) connectors.AfterCommitSink {
					return newTestSink(t, connectortest.NumberSchema(), format, "> ", &out)
				},
				Delivered: func(t *testing.T) []int { return numbersOf(t, out.String()) },
			})
		})
	}
}

// numbersOf reads rows that are printed with a prefix, passing over headings.
func numbersOf(t *testing.T, text string) []int {
	t.Helper()
	var rows []int
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(line, "> ")
		if !ok {
			t.Fatalf("line %q has no prefix", line)
		}
		line = strings.Trim(line, "{}\": \n")
		line = strings.TrimSpace(strings.TrimPrefix(line, `n":`))
		if line == "n" {
			continue
		}
		n, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, n)
	}
	return rows
}

func TestTable(t *testing.T) {
	schema, err := columnar.NewSchema(
		columnar.Column{Name: "ad", Type: columnar.Type{Kind: columnar.String, Nullable: true}},
		columnar.Column{Name: "spend", Type: columnar.Type{Kind: columnar.Float64}},
		columnar.Column{Name: "at", Type: columnar.Type{Kind: columnar.Timestamp}},
	)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := newTestSink(t, schema, "", "", &out)
	show := func(ads ...string) {
		cols := make([]*columnar.Buffer, 3)
		b := &columnar.Batch{Schema: schema, Rows: len(ads)}
		for i, c := range schema.Columns {
			cols[i] = columnar.NewBuffer(c.Type, 0)
		}
		for i, ad := range ads {
			if ad == "" {
				cols[0].AppendNull()
			} else {
				cols[0].AppendString(ad)
			}
			cols[1].AppendFloat64(float64(i) + 0.5)
			cols[2].AppendInt64(1_767_225_600_500_000)
		}
		for _, c := range cols {
			b.Cols = append(b.Cols, c.Array())
		}
		if err := s.Write(b, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Committed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	show("a", "")
	show("b")
	show("much longer", "esc\x1b[2J")
	const want = `ad  spend  at
a     0.5  2026-01-01T00:00:00.5Z
-     1.5  2026-01-01T00:00:00.5Z
b     0.5  2026-01-01T00:00:00.5Z
ad           spend  at
much longer    0.5  2026-01-01T00:00:00.5Z
esc\x1b[2J     1.5  2026-01-01T00:00:00.5Z
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestClosedOutput(t *testing.T) {
	s := newTestSink(t, connectortest.NumberSchema(), "json", "", closedPipe{})
	if err := s.Write(connectortest.Rows(1), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Committed(t.Context()); err == nil || !strings.Contains(err.Error(), "standard output is closed") {
		t.Errorf("got %v", err)
	}
}
