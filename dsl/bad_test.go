package dsl

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/spec"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares text with a file, or rewrites the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%s (run with -update to write it)", err)
	}
	if got != string(want) {
		t.Errorf("%s is not what comes out now (run with -update and review the diff)\n--- got\n%s--- want\n%s", path, got, want)
	}
}

// Every file in testdata/bad is refused; its .golden holds what a user is told.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("only %d bad files: is the test in its directory?", len(files))
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(path), text, testCatalog())
			var faults spec.Errors
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("the file is not refused: %v", err)
			}
			for _, e := range faults {
				if e.Pos.Line < 1 || e.Pos.Col < 1 || e.Rule == "" || e.Msg == "" {
					t.Errorf("a fault without place, rule or message: %q", e)
				}
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

// The rules that a user may meet and look up are all shown by some bad file.
func TestEveryRuleHasABadFile(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.golden")
	var all strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for rule := range rules {
		if rule == "too-large" {
			continue // TestLimits: it would be a large file
		}
		if !strings.Contains(all.String(), "["+rule+"]") {
			t.Errorf("no bad file shows the rule %s", rule)
		}
	}
}
