package conformance

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// suite is a run of another project's Go tests. Everything must pass but what its
// allow-list names: a test of the list may end as the list says, and one that passes
// although it is on the list is an error too, so that the list stays true.
type suite struct {
	known  allowances
	ended  map[string]string // test -> pass, fail, skip
	output map[string][]string
	stray  []string // of no test: a panic, a report of the race detector
}

// event is a line of `go test -json` and of `go tool test2json`.
type event struct {
	Action, Test, Output string
}

// runSuite runs cmd, whose standard output is events, and judges it by an allow-list.
// cmd's own status is not asked: it is a failure also when a failure is allowed.
func runSuite(t *testing.T, cmd *exec.Cmd, allowList string) {
	t.Helper()
	known, err := readAllowances(allowList)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{known: known, ended: map[string]string{}, output: map[string][]string{}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.read(out)
	status := cmd.Wait()
	if s.ended[""] == "" {
		t.Errorf("the suite did not end: %v\n%s%s", status, problems.String(), strings.Join(s.stray, ""))
	}
	s.judge(t, allowList)
}

// read takes the events until there are no more.
func (s *suite) read(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case json.Unmarshal(line, &e) != nil:
			s.stray = append(s.stray, string(line))
		case e.Action == "output" && e.Test == "":
			s.stray = append(s.stray, e.Output)
		case e.Action == "output":
			s.output[e.Test] = append(s.output[e.Test], e.Output)
		case e.Action == "run":
			s.ended[e.Test] = "unfinished"
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			s.ended[e.Test] = e.Action
		}
		if err != nil {
			return
		}
	}
}

// judge reports what does not agree with the list, then a summary.
func (s *suite) judge(t *testing.T, allowList string) {
	t.Helper()
	count := map[string]int{}
	asListed := map[string]bool{} // lines of the list that came true
	for _, test := range slices.Sorted(maps.Keys(s.ended)) {
		outcome := s.ended[test]
		if test == "" || outcome == "fail" && s.failedBelow(test) {
			continue // a parent that fails for its subtests
		}
		count[outcome]++
		name, known, listed := s.known.of(test)
		switch {
		case outcome == "pass":
		case listed && (known.outcome == "varies" || known.outcome == outcome+"s"):
			asListed[name] = true
			t.Logf("%s %ss: %s", test, outcome, known.reason)
		default:
			t.Errorf("%s: %s\n%s", test, outcome, tail(s.output[test]))
		}
	}
	for name, known := range s.known {
		if s.ended[name] == "pass" && !asListed[name] && known.outcome != "varies" {
			t.Errorf("%s passes: take it off %s (%s)", name, allowList, known.reason)
		}
	}
	if count["pass"] == 0 {
		t.Error("not a single test passed")
	}
	t.Logf("%d passed, %d failed, %d skipped", count["pass"], count["fail"]+count["unfinished"], count["skip"])
}

func (s *suite) failedBelow(test string) bool {
	for other, outcome := range s.ended {
		if outcome == "fail" && strings.HasPrefix(other, test+"/") {
			return true
		}
	}
	return false
}

// tail is the end of a test's output, which is where it says what went wrong.
func tail(lines []string) string {
	const most = 60
	return strings.Join(lines[max(0, len(lines)-most):], "")
}
