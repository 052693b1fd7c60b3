package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestProgressFitsTheTerminal: a progress line that wraps cannot be drawn over and
// leaves its pieces between the results.
func TestProgressFitsTheTerminal(t *testing.T) {
	line := "  11 849 rows in, 58 out, 5 005 rows/s, epoch 10"
	for width, want := range map[int]string{0: line, 200: line, len(line) + 1: line, 20: "  11 849 rows in, …"} {
		if got := fit(line, width); got != want {
			t.Errorf("in %d columns: %q, want %q", width, got, want)
		}
	}
}

// TestRowsAboveProgress: rows are written where the progress line was, which comes
// again below them, and nothing of it is left at the end.
func TestRowsAboveProgress(t *testing.T) {
	var screen bytes.Buffer
	term := &terminal{out: &screen, err: &screen, live: true}
	term.progress("working")
	term.Write([]byte("row\n"))
	term.clear()
	if want := "working" + eraseLine + "row\nworking" + eraseLine; screen.String() != want {
		t.Errorf("the screen got %q, want %q", screen.String(), want)
	}
}

func TestTableAlignsThousands(t *testing.T) {
	var b strings.Builder
	if err := printTable(&b, [][]string{{"", "ROWS"}, {"a", thousands(24000)}, {"b", thousands(7)}}); err != nil {
		t.Fatal(err)
	}
	if want := "     ROWS\na  24 000\nb       7\n"; b.String() != want {
		t.Errorf("printed\n%swant\n%s", b.String(), want)
	}
}
