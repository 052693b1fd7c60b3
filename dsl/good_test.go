package dsl

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goodFiles parses every file in testdata/good.
func goodFiles(t *testing.T) map[string]*Graph {
	t.Helper()
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good files: %v", err)
	}
	graphs := map[string]*Graph{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g, err := Parse(filepath.Base(path), text, testCatalog())
		if err != nil {
			t.Errorf("%s is refused:\n%v", path, err)
			continue
		}
		graphs[strings.TrimSuffix(path, ".yaml")] = g
	}
	return graphs
}

func TestLint(t *testing.T) {
	for path, g := range goodFiles(t) {
		golden(t, path+".lint.golden", Lint(g).Error()+"\n")
	}
}

// Every warning is given for some good file.
func TestEveryWarningIsGiven(t *testing.T) {
	var all strings.Builder
	for _, g := range goodFiles(t) {
		all.WriteString(Lint(g).Error() + "\n")
	}
	for rule := range warnings {
		if !strings.Contains(all.String(), "["+rule+"]") {
			t.Errorf("no good file is warned of with %s", rule)
		}
	}
}

func TestExplain(t *testing.T) {
	for path, g := range goodFiles(t) {
		for _, format := range []Format{Text, JSON, Mermaid} {
			var out strings.Builder
			if err := Explain(&out, g, format); err != nil {
				t.Fatal(err)
			}
			golden(t, path+"."+string(format)+".golden", out.String())
			if strings.Contains(out.String(), "12345") {
				t.Errorf("explain as %s of %s shows a secret", format, path)
			}
		}
	}
	if err := Explain(io.Discard, &Graph{}, "svg"); err == nil {
		t.Error("an unknown format is not refused")
	}
}
