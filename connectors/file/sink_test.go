package file

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
)

func newTestSink(t *testing.T, path, formatName, pipeline string) connectors.StagedSink {
	t.Helper()
	plan, err := SinkSpec.Plan(connectors.SinkInput{Name: "out", Config: config(path, false, 0), Format: format(formatName), Schema: connectortest.NumberSchema()})
	if err != nil || plan.Guarantee != connectors.ExactlyOnce {
		t.Fatalf("planned %+v, %v", plan, err)
	}
	s, err := plan.Staged(connectors.Env{Pipeline: pipeline, Node: "out"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// numbersIn reads the rows of a file in csv, after what stood in it before.
func numbersIn(t *testing.T, path, before string) []int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(string(text), before)
	if !ok {
		t.Fatalf("the file begins with %.40q", text)
	}
	if before == "" && rest != "" {
		if rest, ok = strings.CutPrefix(rest, "n\n"); !ok {
			t.Fatalf("the file has no header: %.40q", text)
		}
	}
	var rows []int
	for line := range strings.Lines(rest) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, n)
	}
	return rows
}

// TestSinkConformance begins with no file and with one that has rows already.
func TestSinkConformance(t *testing.T) {
	for _, before := range []string{"", "n\n-7\n"} {
		t.Run(strconv.Itoa(len(before)), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.csv")
			if before != "" {
				if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			connectortest.TestStaged(t, connectortest.Staged{
				New:      func(t *testing.T) connectors.StagedSink { return newTestSink(t, path, "csv", "p") },
				Contents: func(t *testing.T) []int { return numbersIn(t, path, before) },
			})
			if _, err := os.Stat(markPath(path)); err == nil {
				t.Error("the mark is still there")
			}
		})
	}
}

// TestCrashInTheFirstEpoch: the file had rows, the pipeline crashes before its
// first commit. The restart once took what the crash had left for rows that were
// there before, and wrote the epoch again behind it.
func TestCrashInTheFirstEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	if err := os.WriteFile(path, []byte("n\n1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	crashed := newTestSink(t, path, "csv", "p")
	if err := crashed.Recover(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := crashed.Write(connectortest.Rows(2), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := crashed.Prepare(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	other := newTestSink(t, path, "csv", "another")
	if err := other.Recover(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "is written by p/out, whose first epoch is not finished") {
		t.Fatalf("another pipeline takes the file: %v", err)
	}
	restarted := newTestSink(t, path, "csv", "p")
	if err := restarted.Recover(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := numbersIn(t, path, "n\n"); !slices.Equal(got, []int{1}) {
		t.Fatalf("the file holds %v", got)
	}
}

func TestSinkFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	s := newTestSink(t, path, "json", "p")
	for _, test := range []struct{ handle, want string }{
		{`{"path":"` + path + `","length":100}`, "has 0 bytes, but 100 were committed"},
		{`{"path":"/elsewhere","length":0}`, "the last epoch wrote to /elsewhere"},
		{`x`, "handle of"},
	} {
		if err := s.Recover(t.Context(), []byte(test.handle)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("handle %s: %v, want %s", test.handle, err, test.want)
		}
	}
	missing := newTestSink(t, filepath.Join(dir, "no", "such", "dir"), "json", "p")
	if err := missing.Recover(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "open the file to write") {
		t.Errorf("a directory that is not there: %v", err)
	}
	if err := missing.Close(); err != nil {
		t.Error(err)
	}
}
