package dsl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// The verbs of this package's tests: small, and independent of the real ones, so
// that a test of the dsl fails for the dsl's reasons only.

func testCatalog() Catalog {
	ops, conns := &operators.Registry{}, &connectors.Registry{}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	for _, s := range []*operators.Spec{filterSpec(), mapSpec(), aggregateSpec(), latestSpec(), splitSpec(), joinSpec()} {
		must(ops.Add(s))
	}
	must(conns.AddSource(topicSource()))
	must(conns.AddSource(ticksSource()))
	must(conns.AddSource(fileSource()))
	must(conns.AddSink(topicSink()))
	must(conns.AddSink(stdoutSink()))
	return Catalog{
		Operators:  ops,
		Connectors: conns,
		Formats: []*codec.Format{
			{Name: "json", Summary: "One JSON object per record."},
			{Name: "lines", Summary: "Text lines."},
			{Name: "csv", Summary: "Comma-separated values.", Fields: []spec.Field{
				{Name: "header", Type: spec.Boolean, Default: "true", Doc: "Whether the first line names the columns."},
				{Name: "separator", Type: spec.String, Primary: true, Default: `","`, Doc: "What stands between two values."},
			}},
		},
		Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"TOPIC": "ad-clicks", "KIND": "click", "EMPTY": "", "PORT": "9092"}[name]
			return v, ok
		},
	}
}

var words = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'|[0-9][A-Za-z0-9_.]*|[A-Za-z_][A-Za-z0-9_]*`)

// check stands in for the compiler of expressions: every word outside quotes must
// be a column, a keyword or a function's name in front of a parenthesis.
func check(v spec.Value, s *columnar.Schema) ([]string, error) {
	if strings.TrimSpace(v.Text) == "" {
		return nil, spec.Errorf(v.Pos, "syntax", "the expression is empty")
	}
	var columns []string
	for _, m := range words.FindAllStringIndex(v.Text, -1) {
		word := v.Text[m[0]:m[1]]
		call := strings.HasPrefix(v.Text[m[1]:], "(")
		if strings.ContainsAny(word[:1], `"'0123456789`) || call || slices.Contains([]string{"and", "or", "not", "nil", "in", "contains", "true", "false"}, word) {
			continue
		}
		if s.Index(word) < 0 {
			e := spec.Errorf(v.At(utf8.RuneCountInString(v.Text[:m[0]])), "unknown-column", "there is no column %q", word)
			e.Hint = spec.DidYouMean(word, s.Names())
			return nil, e
		}
		columns = append(columns, word)
	}
	return columns, nil
}

type noOperator struct{ operators.Operator }

func newNothing() (operators.Operator, error) { return noOperator{}, nil }

func filterSpec() *operators.Spec {
	return &operators.Spec{
		Name: "filter", Summary: "Keeps the rows for which an expression is true.",
		Fields:  []spec.Field{{Name: "where", Type: spec.Expr, Primary: true, Required: true, Doc: "The condition.", Example: "price > 0"}},
		Example: "from: clicks\nfilter: price > 0",
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			where := in.Config.Get("where")
			columns, err := check(where, in.Inputs[0])
			if err != nil {
				return nil, err
			}
			return &operators.Plan{Output: in.Inputs[0], Columns: [][]string{columns}, KeepsEventTime: true, New: newNothing,
				Notes: []operators.Note{{Text: where.Text, Mode: "columns"}}}, nil
		},
	}
}

func mapSpec() *operators.Spec {
	return &operators.Spec{
		Name: "map", Summary: "Computes new columns.",
		Fields: []spec.Field{{Name: "columns", Type: spec.ExprMap, Primary: true, Required: true, Doc: "The columns of the result.", Example: "{ad: ad}"}},
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			p := &operators.Plan{Columns: [][]string{{}}, KeepsEventTime: true, MayFail: true, New: newNothing}
			var faults spec.Errors
			var columns []columnar.Column
			for _, e := range in.Config.Get("columns").Map {
				read, err := check(e.Value, in.Inputs[0])
				var fault *spec.Error
				if errors.As(err, &fault) {
					faults = append(faults, fault)
					continue
				}
				typ := columnar.Type{Kind: columnar.Float64}
				if i := in.Inputs[0].Index(e.Value.Text); i >= 0 {
					typ = in.Inputs[0].Columns[i].Type
				}
				p.Columns[0] = append(p.Columns[0], read...)
				p.Notes = append(p.Notes, operators.Note{Text: e.Key + ": " + e.Value.Text, Mode: "rows"})
				columns = append(columns, columnar.Column{Name: e.Key, Type: typ})
			}
			if len(faults) > 0 {
				return nil, faults
			}
			var err error
			p.Output, err = columnar.NewSchema(columns...)
			return p, err
		},
	}
}

func aggregateSpec() *operators.Spec {
	return &operators.Spec{
		Name: "aggregate", Summary: "Groups rows by key and window.",
		Fields: []spec.Field{
			{Name: "by", Type: spec.Names, Doc: "The key."},
			{Name: "window", Type: spec.Mapping, Scalar: "tumbling", Required: true, Doc: "The window.", Example: "{tumbling: 1m}", Fields: []spec.Field{
				{Name: "tumbling", Type: spec.Duration, Required: true, Min: "1ms", Doc: "Its length.", Example: "1m"},
				{Name: "lateness", Type: spec.Duration, Default: "0s", Doc: "How long results wait for late rows."},
			}},
			{Name: "compute", Type: spec.ExprMap, Required: true, Doc: "The aggregates.", Example: "{n: count()}"},
			{Name: "emit", Type: spec.Enum, Values: []string{"on_close"}, Default: "on_close", Doc: "When results leave."},
		},
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			window := in.Config.Get("window").Sub
			size := window.Get("tumbling").Duration.Microseconds()
			p := &operators.Plan{Columns: [][]string{{}}, Key: [][]string{{}}, KeepsEventTime: true, New: newNothing, StateVersion: 1, StateLayout: "counts",
				Timing: &operators.Timing{FirstEnd: func(t int64) int64 { return t - t%size + size }, Lateness: window.Get("lateness").Duration.Microseconds()}}
			var columns []columnar.Column
			for _, k := range in.Config.Get("by").Names {
				i := in.Inputs[0].Index(k.Text)
				if i < 0 {
					e := spec.Errorf(k.Pos, "unknown-column", "there is no column %q", k.Text)
					e.Hint = spec.DidYouMean(k.Text, in.Inputs[0].Names())
					return nil, e
				}
				columns = append(columns, in.Inputs[0].Columns[i])
				p.Key[0] = append(p.Key[0], k.Text)
				p.Columns[0] = append(p.Columns[0], k.Text)
			}
			for _, e := range in.Config.Get("compute").Map {
				read, err := check(e.Value, in.Inputs[0])
				if err != nil {
					return nil, err
				}
				p.Columns[0] = append(p.Columns[0], read...)
				columns = append(columns, columnar.Column{Name: e.Key, Type: columnar.Type{Kind: columnar.Int64}})
			}
			var err error
			p.Output, err = columnar.NewSchema(columns...)
			return p, err
		},
	}
}

// latestSpec is an operator that is only convergent.
func latestSpec() *operators.Spec {
	return &operators.Spec{
		Name: "latest", Summary: "Keeps the last row of each key.",
		Fields: []spec.Field{{Name: "by", Type: spec.Names, Primary: true, Required: true, Doc: "The key."}},
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			p := &operators.Plan{Output: in.Inputs[0], Class: operators.Convergent, New: newNothing, Key: [][]string{{}}}
			for _, k := range in.Config.Get("by").Names {
				p.Key[0] = append(p.Key[0], k.Text)
			}
			return p, nil
		},
	}
}

// splitSpec is an operator with a port of its own.
func splitSpec() *operators.Spec {
	return &operators.Spec{
		Name: "split", Summary: "Sends some rows to another port.",
		Fields: []spec.Field{{Name: "where", Type: spec.Expr, Primary: true, Required: true, Doc: "Which."}},
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			columns, err := check(in.Config.Get("where"), in.Inputs[0])
			return &operators.Plan{Output: in.Inputs[0], Columns: [][]string{columns}, PassesThrough: true, KeepsEventTime: true, New: newNothing,
				Ports: map[string]*columnar.Schema{"rest": in.Inputs[0]}}, err
		},
	}
}

// joinSpec is an operator with two inputs.
func joinSpec() *operators.Spec {
	return &operators.Spec{
		Name: "join", Summary: "Joins two streams.", Inputs: []string{"left", "right"},
		Fields: []spec.Field{{Name: "on", Type: spec.Names, Primary: true, Required: true, Doc: "The columns that must be equal."}},
		Plan: func(in operators.PlanInput) (*operators.Plan, error) {
			return &operators.Plan{Output: in.Inputs[0], KeepsEventTime: true, New: newNothing, Class: operators.Arrival}, nil
		},
	}
}

type noSource struct{ connectors.Source }

func newNoSource(connectors.Env, []string) (connectors.Source, error) { return noSource{}, nil }

func topicSource() *connectors.SourceSpec {
	return &connectors.SourceSpec{
		Name: "topic", Summary: "Reads a topic.", Formats: []string{"json", "csv"}, Default: "json",
		Fields: []spec.Field{
			{Name: "name", Type: spec.String, Primary: true, Required: true, Doc: "The topic.", Example: "ad-clicks"},
			{Name: "start", Type: spec.Enum, Values: []string{"earliest", "latest"}, Default: "earliest", Doc: "Where a new pipeline begins."},
			{Name: "password", Type: spec.Int, Secret: true, Doc: "A secret number."},
		},
		Plan: func(in connectors.SourceInput) (*connectors.SourcePlan, error) {
			if in.Schema == nil {
				return nil, &spec.Error{Msg: "topic needs a schema", Rule: "missing-key", Hint: "schema: {column: type}"}
			}
			return &connectors.SourcePlan{Schema: in.Schema, Topic: in.Config.Get("name").Text, New: newNoSource}, nil
		},
	}
}

func ticksSource() *connectors.SourceSpec {
	return &connectors.SourceSpec{
		Name: "ticks", Summary: "Makes rows.",
		Fields: []spec.Field{
			{Name: "count", Type: spec.Int, Primary: true, Min: "1", Max: "1000", Default: "10", Doc: "How many."},
			{Name: "rate", Type: spec.Float, Min: "0", Doc: "Rows per second."},
			{Name: "every", Type: spec.Duration, Max: "1h", Doc: "How often."},
			{Name: "size", Type: spec.Size, Max: "1MiB", Doc: "How large."},
			{Name: "sorted", Type: spec.Boolean, Default: "true", Doc: "Whether in order."},
			{Name: "labels", Type: spec.StringMap, Doc: "Labels."},
			{Name: "columns", Type: spec.List, Doc: "Columns.", Fields: []spec.Field{
				{Name: "name", Type: spec.String, Primary: true, Required: true, Doc: "Its name."},
				{Name: "kind", Type: spec.Enum, Values: []string{"counter", "random"}, Default: "counter", Doc: "How it is filled."},
			}},
		},
		Plan: func(in connectors.SourceInput) (*connectors.SourcePlan, error) {
			s, err := columnar.NewSchema(
				columnar.Column{Name: "n", Type: columnar.Type{Kind: columnar.Int64}},
				columnar.Column{Name: "at", Type: columnar.Type{Kind: columnar.Timestamp}})
			return &connectors.SourcePlan{Schema: s, Bounded: true, New: newNoSource}, err
		},
	}
}

func fileSource() *connectors.SourceSpec {
	return &connectors.SourceSpec{
		Name: "file", Summary: "Reads files.", Formats: []string{"lines", "csv", "json"}, Default: "lines",
		Fields: []spec.Field{{Name: "path", Type: spec.String, Primary: true, Required: true, Doc: "The path."}},
		Plan: func(in connectors.SourceInput) (*connectors.SourcePlan, error) {
			s := in.Schema
			if in.Format.Name == "lines" {
				s, _ = columnar.NewSchema(columnar.Column{Name: "line", Type: columnar.Type{Kind: columnar.String}})
			}
			if s == nil {
				return nil, fmt.Errorf("the format %s needs a schema", in.Format.Name)
			}
			return &connectors.SourcePlan{Schema: s, Bounded: true, New: newNoSource}, nil
		},
	}
}

func topicSink() *connectors.SinkSpec {
	return &connectors.SinkSpec{
		Name: "topic", Summary: "Writes a topic.", Formats: []string{"json", "csv"}, Default: "json",
		Fields: []spec.Field{
			{Name: "name", Type: spec.String, Primary: true, Required: true, Doc: "The topic.", Example: "ad-minutes"},
			{Name: "partitions", Type: spec.Int, Min: "1", Doc: "Partitions of a new topic."},
		},
		Plan: func(in connectors.SinkInput) (*connectors.SinkPlan, error) {
			return &connectors.SinkPlan{Topic: in.Config.Get("name").Text, Log: func(connectors.Env) (connectors.LogSink, error) { return nil, nil }}, nil
		},
	}
}

func stdoutSink() *connectors.SinkSpec {
	return &connectors.SinkSpec{
		Name: "stdout", Summary: "Prints rows.",
		Fields: []spec.Field{{Name: "limit", Type: spec.Int, Default: "0", Doc: "How many rows at most; 0 means all."}},
		Plan: func(in connectors.SinkInput) (*connectors.SinkPlan, error) {
			return &connectors.SinkPlan{Guarantee: connectors.AtLeastOnce, AfterCommit: func(connectors.Env) (connectors.AfterCommitSink, error) { return nil, nil }}, nil
		},
	}
}
