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

// TestSameWorkerTwice: of two processes with one worker's name the later goes on,
// and the earlier says why it ended.
func TestSameWorkerTwice(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	path := file(t, "endless.yaml", strings.Replace(fmt.Sprintf(countPipeline, 0), "rows: 0\n", "rate: 2000\n", 1))
	first := start(t, "run", path, "--data", t.TempDir(), "--brokers", addr)
	first.untilRows(t)
	second := start(t, "run", path, "--data", t.TempDir(), "--brokers", addr)
	if status := first.status(t); status != 1 || !strings.Contains(first.stderr.String(), "another process runs worker 0 of pipeline counts") {
		t.Errorf("the first ended with %d:\n%s", status, first.stderr.String())
	}
	second.untilRows(t)
	if status := second.stop(t); status != 0 {
		t.Errorf("the second ended with %d:\n%s", status, second.stderr.String())
	}
}
