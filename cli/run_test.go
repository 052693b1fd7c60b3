package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const missingFile = `pipeline: missing
sources:
  rows: {file: /no/such/file.txt, format: lines}
sinks:
  out: {from: rows, stdout: {}}
`

// TestNothingToSum: a run that could not begin says why, in one sentence, and does
// not print a table of zeros after it.
func TestNothingToSum(t *testing.T) {
	o := millrace(t, "", "run", file(t, "missing.yaml", missingFile), "--data", t.TempDir(), "--listen", "none")
	o.want(t, 1, "/no/such/file.txt", "check the path")
	if strings.Contains(o.stderr, "ROWS IN") {
		t.Errorf("a summary of nothing:\n%s", o.stderr)
	}
}

// TestPortInUseLeavesNothing: a run that never had a log leaves no directory behind.
func TestPortInUseLeavesNothing(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	path := filepath.Join(t.TempDir(), "counts.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, countPipeline, 10), 0o644); err != nil {
		t.Fatal(err)
	}
	millrace(t, "", "run", path, "--listen", addr).want(t, 1, "in use", "--listen")
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
