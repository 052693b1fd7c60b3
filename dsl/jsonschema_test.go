package dsl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compileSchema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("pipeline.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("pipeline.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema(testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	return compileSchema(t, text)
}

func readYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever Parse accepts the schema accepts: an editor never complains about a
// pipeline that runs.
func TestJSONSchemaAcceptsGoodFiles(t *testing.T) {
	s := testSchema(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good files: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(readYAML(t, string(text))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestJSONSchemaRefuses(t *testing.T) {
	s := testSchema(t)
	const good = "pipeline: ads\nsources:\n  c: {topic: t, schema: {n: int64}, event_time: {field: at}}\noperators:\n  f: {from: c, filter: n > 1}\nsinks:\n  o: {from: f, topic: b}\n"
	if err := s.Validate(readYAML(t, good)); err != nil {
		t.Fatalf("the file that the cases are made from: %v", err)
	}
	for name, change := range map[string][2]string{
		"unknown key at the top":   {"pipeline: ads", "pipeline: ads\nsource: {}"},
		"no name":                  {"pipeline: ads\n", ""},
		"a bad name":               {"pipeline: ads", "pipeline: My Ads"},
		"no sinks":                 {"sinks:\n  o: {from: f, topic: b}\n", ""},
		"empty sources":            {"  c: {topic: t, schema: {n: int64}, event_time: {field: at}}\n", ""},
		"an unknown verb":          {"filter: n > 1", "filtr: n > 1"},
		"two verbs":                {"filter: n > 1", "filter: n > 1, map: {a: n}"},
		"no verb":                  {", filter: n > 1", ""},
		"no from":                  {"from: c, ", ""},
		"a source with from":       {"topic: t", "topic: t, from: x"},
		"an unknown field":         {"topic: t", "topic: {name: t, strat: latest}"},
		"a missing field":          {"topic: t", "topic: {start: latest}"},
		"an unknown type":          {"int64", "integer"},
		"an enum's value":          {"topic: t", "topic: {name: t, start: middle}"},
		"a number out of bounds":   {"topic: t", "ticks: {count: 5000}"},
		"a duration without unit":  {"{field: at}", "{field: at, out_of_order: 5}"},
		"an unknown format":        {"topic: t", "topic: t, format: jsn"},
		"a format's unknown field": {"topic: t", "topic: t, format: {csv: {headr: true}}"},
		"a name with a dot":        {"  f:", "  f.g:"},
		"a bad policy":             {"topic: t", "topic: t, on_error: ignore"},
		"a list under an operator": {"filter: n > 1", "filter: [n]"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if err := s.Validate(readYAML(t, text)); err == nil {
			t.Errorf("%s: accepted\n%s", name, text)
		}
		if _, err := Parse("t.yaml", []byte(text), testCatalog()); err == nil {
			t.Errorf("%s: Parse accepts it", name)
		}
	}
}
