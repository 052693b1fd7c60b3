package conformance

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// allowance says of a test of another project that it may end otherwise than by
// passing, and why.
type allowance struct {
	outcome string // "skips", "fails", or "varies": from run to run
	reason  string
}

// allowances maps a test's name to what is known of it. It stands for its subtests
// too, unless they have a line of their own.
type allowances map[string]allowance

// readAllowances reads a file of lines `name outcome: reason`; lines that begin with
// a # and empty ones are for people.
func readAllowances(path string) (allowances, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known := allowances{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		head, reason, _ := strings.Cut(line, ": ")
		name, outcome, _ := strings.Cut(head, " ")
		if reason == "" || outcome != "skips" && outcome != "fails" && outcome != "varies" {
			return nil, fmt.Errorf("%s:%d: %q is not `name skips|fails|varies: reason`", path, n, line)
		}
		known[name] = allowance{outcome, reason}
	}
	return known, lines.Err()
}

// of is the line that stands for a test: its own, or that of the nearest test above.
func (a allowances) of(test string) (name string, known allowance, ok bool) {
	for name = test; ; {
		if known, ok = a[name]; ok {
			return name, known, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return "", allowance{}, false
		}
		name = name[:i]
	}
}

func TestAllowances(t *testing.T) {
	path := t.TempDir() + "/list"
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# of others\n\nTestA skips: no share groups\nTestA/b fails: known\n")
	known, err := readAllowances(path)
	if err != nil {
		t.Fatal(err)
	}
	for test, want := range map[string]string{"TestA": "TestA", "TestA/x/y": "TestA", "TestA/b/c": "TestA/b", "TestAB": ""} {
		if name, _, _ := known.of(test); name != want {
			t.Errorf("%s falls under %q, want %q", test, name, want)
		}
	}
	for _, bad := range []string{"TestA\n", "TestA fails\n", "TestA breaks: so\n"} {
		write(bad)
		if _, err := readAllowances(path); err == nil {
			t.Errorf("%q is taken for a line", bad)
		}
	}
}
