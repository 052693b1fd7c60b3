package dsl_test

import (
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/dsl"
)

// Pipelines that the repository shows are valid, in an editor too, and lint has
// nothing to say of them but that the terminal is no transaction.
func TestPipelinesOfTheRepository(t *testing.T) {
	files, err := filepath.Glob("../examples/*/pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := dsl.JSONSchema(catalog)
	if err != nil {
		t.Fatal(err)
	}
	validate := dsl.CompileSchema(t, schema)
	for _, path := range append(files, "../pipeline.example.yaml") {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "main.go")); err == nil {
			continue // a program with verbs of its own tests its pipeline with them
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g, err := dsl.Parse(path, text, catalog)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, w := range dsl.Lint(g) {
			if w.Rule != "guarantee" {
				t.Errorf("lint: %v", w)
			}
		}
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if err := validate.Validate(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
