package differential

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"
)

// deviations are the differences that are known.
type deviations struct{ lines []*deviation }

// deviation is a line `operation | kfake's answer | ours | reason`. The first three are
// regular expressions for the whole text. A line that begins with `! ` is about an
// operation that one of the two carried out and the other did not, or not so.
type deviation struct {
	text            string
	name, want, got *regexp.Regexp
	parts           bool // what follows cannot be compared
	cameTrue        int
}

func readDeviations(t *testing.T, path string) *deviations {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ds := &deviations{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 4 {
			t.Fatalf("%s:%d: %q is not `operation | kfake | millrace | reason`", path, n, line)
		}
		d := &deviation{text: line}
		parts[0], d.parts = strings.CutPrefix(parts[0], "! ")
		for i, to := range []**regexp.Regexp{&d.name, &d.want, &d.got} {
			if *to, err = regexp.Compile("^(?:" + parts[i] + ")$"); err != nil {
				t.Fatalf("%s:%d: %v", path, n, err)
			}
		}
		ds.lines = append(ds.lines, d)
	}
	return ds
}

// cover returns the line that knows a difference, or nil.
func (ds *deviations) cover(name, want, got string) *deviation {
	for _, d := range ds.lines {
		if d.name.MatchString(name) && d.want.MatchString(want) && d.got.MatchString(got) {
			d.cameTrue++
			return d
		}
	}
	return nil
}

// report says how often each line was needed.
func (ds *deviations) report(t *testing.T) {
	for _, d := range ds.lines {
		t.Logf("%4d times: %s", d.cameTrue, d.text)
	}
}
