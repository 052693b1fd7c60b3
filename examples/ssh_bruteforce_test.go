package examples

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSSHBruteforce compares what the pipeline finds in its own log with the answer
// that was worked out by hand, on the terminal and in the topic.
func TestSSHBruteforce(t *testing.T) {
	data := bruteforce(t, "ssh-bruteforce/auth.log", "2024", "ssh-bruteforce/expected.csv")
	rest := topics(t, data, "ssh-bruteforce-late", "ssh-bruteforce-errors")
	if late := rest["ssh-bruteforce-late"]; len(late) != 1 {
		t.Errorf("late rows: %v, want the log's last line", late)
	}
	errs := rest["ssh-bruteforce-errors"]
	if len(errs) != 1 || !strings.Contains(fmt.Sprint(errs[0]), "log file rotated") {
		t.Errorf("errors: %v, want the line that has no timestamp", errs)
	}
}

// TestSSHBruteforceOnARealLog compares every row with an answer that another
// program computed. The log is not ours to copy, so it lies beside the repository.
func TestSSHBruteforceOnARealLog(t *testing.T) {
	const log, expected = "../../shared/data/openssh/OpenSSH_2k.log", "../../shared/data/openssh/expected-5m.csv"
	if _, err := os.Stat(log); err != nil {
		t.Skipf("the real log is not here: %v", err)
	}
	bruteforce(t, log, "2024", expected)
}

// bruteforce runs the pipeline over a log, compares its output and returns the data
// directory.
func bruteforce(t *testing.T, log, year, expected string) (data string) {
	t.Helper()
	t.Setenv("AUTH_LOG", log)
	t.Setenv("YEAR", year)
	data = t.TempDir()
	printed, _ := millrace(t, "run", "ssh-bruteforce/pipeline.yaml", "--data", data, "--listen", "none")
	wantColumns, want := csvRows(t, expected)
	if columns, got := tableRows(printed); columns != wantColumns || !slices.Equal(got, want) {
		t.Errorf("printed %s\n%s\nwant %s\n%s", columns, strings.Join(got, "\n"), wantColumns, strings.Join(want, "\n"))
	}
	var got []string
	for _, row := range topics(t, data, "ssh-bruteforce")["ssh-bruteforce"] {
		got = append(got, fmt.Sprintf("%v,%v,%v", row["window_start"], row["source"], row["failures"]))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the topic holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return data
}
