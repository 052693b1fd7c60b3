package cli

import (
	"io"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 300<<10) // longer than the buffer
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a\nb\n", "a|b|"},
		{"a\r\n\nb", "a||b|"},
		{long + "\nb\n", long + "|b|"},
	} {
		l, got := readLines(strings.NewReader(c.in)), ""
		for chunk := range l.chunks {
			for _, line := range chunk {
				got += string(line) + "|"
			}
		}
		if l.err != nil || got != c.want {
			t.Errorf("%.20q: read %.40q, %v", c.in, got, l.err)
		}
	}
	l := readLines(strings.NewReader("a\n" + strings.Repeat("x", maxLine+1)))
	for range l.chunks {
	}
	if l.err == nil || !strings.Contains(l.err.Error(), "longer than 16 MiB") {
		t.Errorf("an endless line: %v", l.err)
	}
}

// TestLinesDoNotWait: what is there is handed over before more comes.
func TestLinesDoNotWait(t *testing.T) {
	r, w := io.Pipe()
	l := readLines(r)
	for _, text := range []string{"one\ntwo\nthr", "ee\n"} {
		go io.WriteString(w, text) //nolint:errcheck // a pipe
		chunk := <-l.chunks
		if len(chunk) == 0 {
			t.Fatalf("nothing came of %q", text)
		}
	}
	l.stop()
	go io.WriteString(w, "four\n") //nolint:errcheck // a pipe
	for range l.chunks {           // ends, with or without the line
	}
}
