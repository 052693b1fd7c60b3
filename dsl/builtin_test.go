package dsl_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	_ "github.com/millrace/millrace/connectors/file"
	_ "github.com/millrace/millrace/connectors/generate"
	_ "github.com/millrace/millrace/connectors/stdout"
	_ "github.com/millrace/millrace/connectors/topic"
	"github.com/millrace/millrace/dsl"
	_ "github.com/millrace/millrace/operators/builtin"
	"github.com/millrace/millrace/operators/spec"
)

// catalog is what the command line offers.
var catalog = dsl.Catalog{Getenv: func(string) (string, bool) { return "", false }}

// docs/pipelines.md is what the declarations say now.
func TestDocsAreCurrent(t *testing.T) {
	const path = "../docs/pipelines.md"
	text := dsl.Docs(catalog)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(text) {
		t.Errorf("%s is not current; run go test ./dsl -run TestDocsAreCurrent -update", path)
	}
}

// The examples that people see first are pipelines, and lint has nothing to say of
// them.
func TestFirstExamplesArePipelines(t *testing.T) {
	for _, path := range []string{"intro.md", "../README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "```yaml\n")
		example, _, _ := strings.Cut(rest, "```")
		g, err := dsl.Parse(path, []byte(example), catalog)
		if err != nil {
			t.Errorf("%v\n%s", err, example)
			continue
		}
		if warnings := dsl.Lint(g); len(warnings) > 0 {
			t.Errorf("lint says\n%v", warnings)
		}
	}
}

// The example of every built-in verb is a valid node as far as the schema of
// pipeline files can tell.
func TestExamplesOfVerbs(t *testing.T) {
	schema, err := dsl.JSONSchema(catalog)
	if err != nil {
		t.Fatal(err)
	}
	validate := dsl.CompileSchema(t, schema)
	c := catalog.WithDefaults()
	check := func(section, verb, example string) {
		if example == "" {
			return // a verb need not have one
		}
		var nodes map[string]any
		if err := yaml.Unmarshal([]byte(example), &nodes); err != nil {
			t.Errorf("the example of %s %s: %v", section, verb, err)
			return
		}
		if _, bare := nodes[verb]; bare { // without a name of its own
			nodes = map[string]any{"example": nodes}
		}
		file := map[string]any{
			"pipeline": "example",
			"sources":  map[string]any{"rows": map[string]any{"generate": map[string]any{"fields": []any{map[string]any{"name": "n", "kind": "sequence"}}}}},
			"sinks":    map[string]any{"out": map[string]any{"from": "rows", "stdout": nil}},
		}
		file[section] = nodes
		if err := validate.Validate(file); err != nil {
			t.Errorf("the example of %s %s: %v\n%s", section, verb, err, example)
		}
	}
	for _, s := range c.Connectors.Sources() {
		check("sources", s.Name, s.Example)
	}
	for _, s := range c.Operators.List() {
		check("operators", s.Name, s.Example)
	}
	for _, s := range c.Connectors.Sinks() {
		check("sinks", s.Name, s.Example)
	}
}

// Faults that the built-in verbs find are placed inside their expressions.
func TestPlacesInBuiltinVerbs(t *testing.T) {
	const head = `pipeline: ads
sources:
  clicks:
    topic: ad-clicks
    schema: {ad: string, price: int64|null, at: timestamp(ms), text: string}
    event_time: {field: at, out_of_order: 5s, idle: 30s}
operators:
  it:
    from: clicks
`
	const tail = "sinks:\n  out: {from: it, topic: out}\n"
	for _, c := range []struct{ node, want string }{
		{"filter: price > 1 and adv == \"x\"", "t.yaml:10:27: "},
		{"filter: 'ad == \"it''s\" and adv == \"x\"'", "t.yaml:10:32: "},
		{"filter: >-\n      price > 1\n      and adv == \"x\"", "t.yaml:12:11: "},
		{"filter: price + 1", "t.yaml:10:13: "},
		{"map:\n      ad: ad\n      total: \"1 + prce\"", "t.yaml:12:19: "},
		{"aggregate: {by: [adv], window: {tumbling: 1m}, compute: {n: count()}}", "t.yaml:10:22: "},
		{"aggregate:\n      by: ad\n      window: {tumbling: 1m}\n      compute:\n        n: count()\n        s: sum(prce)", "t.yaml:15:16: "},
		{"aggregate:\n      by: ad\n      window: {tumbling: 1m}\n      compute:\n        s: 'summ(price)'", "t.yaml:14:13: "},
	} {
		_, err := dsl.Parse("t.yaml", []byte(head+"    "+c.node+"\n"+tail), catalog)
		var faults spec.Errors
		if !errors.As(err, &faults) || len(faults) != 1 || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\nsays %v\nand not %s…", c.node, err, c.want)
		}
	}
}

// An event time may be computed, and is typed like any other expression.
func TestEventTimeExpression(t *testing.T) {
	parse := func(expr string) (*dsl.Graph, error) {
		return dsl.Parse("t.yaml", []byte("pipeline: ads\nsources:\n  c:\n    topic: t\n    schema: {a: timestamp(ms)|null, b: timestamp(ms), n: int64, unused: string}\n    event_time: {expr: '"+expr+
			"', out_of_order: 0s, idle: never}\noperators:\n  m: {from: c, map: {n: n}}\nsinks:\n  out: {from: m, topic: out}\n"), catalog)
	}
	g, err := parse("a ?? b")
	if err != nil {
		t.Fatal(err)
	}
	source := g.Nodes[0]
	if source.EventTime.Program == nil || source.EventTime.Idle != 0 {
		t.Errorf("the event time is %+v", source.EventTime)
	}
	if got := strings.Join(source.Want, " "); got != "a b n" {
		t.Errorf("the source decodes %s", got)
	}
	for expr, place := range map[string]string{"a ?? c": "t.yaml:6:30: ", "n + 1": "t.yaml:6:25: "} {
		if _, err := parse(expr); err == nil || !strings.HasPrefix(err.Error(), place) {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
