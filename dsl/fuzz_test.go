package dsl

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/operators/spec"
)

// FuzzParse: no text makes Parse panic; what it refuses has places inside of the
// file; what it accepts can be linted and explained.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(text) < 8<<10 {
				f.Add(text)
			}
		}
	}
	catalog := testCatalog()
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := Parse("fuzz.yaml", text, catalog)
		if err == nil {
			Lint(g)
			for _, format := range []Format{Text, JSON, Mermaid} {
				if err := Explain(io.Discard, g, format); err != nil {
					t.Fatal(err)
				}
			}
			return
		}
		var faults spec.Errors
		if !errors.As(err, &faults) {
			t.Fatalf("not a list of faults: %v", err)
		}
		lines := newFile("", text, nil).lines
		for _, e := range faults {
			if e.Pos.Line < 1 || e.Pos.Col < 1 || e.Pos.Line > len(lines)+1 {
				t.Fatalf("a fault outside of the file, which has %d lines: %v", len(lines), e)
			}
		}
	})
}
