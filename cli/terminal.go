package cli

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// terminal shares a screen between rows on standard output and, on standard
// error, messages and one progress line that is drawn over.
type terminal struct {
	mu     sync.Mutex
	out    io.Writer
	err    io.Writer
	live   bool   // standard error is a terminal
	shown  bool   // the progress line is on the screen
	status string // what it says
}

func newTerminal(out, err io.Writer) *terminal {
	return &terminal{out: out, err: err, live: isTerminal(err) && os.Getenv("TERM") != "dumb"}
}

// fit cuts a line that would wrap: what has wrapped cannot be drawn over. A width
// of 0 is one that is not known.
func fit(s string, width int) string {
	if runes := []rune(s); width > 1 && len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return s
}

// width is the terminal's now, in columns; 0 if it does not say.
func (t *terminal) width() int {
	f, ok := t.err.(*os.File)
	if !ok {
		return 0
	}
	return columns(f)
}

// columns is how wide the terminal is that f is; 0 if it is none.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// isTerminal says whether w is a terminal that a person looks at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

const eraseLine = "\r\x1b[K"

// Write writes rows to standard output, above the progress line.
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide()
	n, err := t.out.Write(b)
	t.draw()
	return n, err
}

// progress replaces the progress line. It does nothing off a terminal.
func (t *terminal) progress(s string) {
	if !t.live {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide()
	t.status = s
	t.draw()
}

// clear takes the progress line away for good.
func (t *terminal) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide()
	t.status = ""
}

// interrupt writes a message without waiting for its turn: rows may be stuck in a
// pager that reads no more, and a second signal must still be heard.
func (t *terminal) interrupt(s string) {
	if t.live {
		s = eraseLine + s
	}
	io.WriteString(t.err, s)
}

// errors is standard error for messages, above the progress line.
func (t *terminal) errors() io.Writer { return errorWriter{t} }

type errorWriter struct{ t *terminal }

func (w errorWriter) Write(b []byte) (int, error) {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	w.t.hide()
	n, err := w.t.err.Write(b)
	w.t.draw()
	return n, err
}

func (t *terminal) hide() {
	if t.shown {
		io.WriteString(t.err, eraseLine)
		t.shown = false
	}
}

func (t *terminal) draw() {
	if t.live && t.status != "" {
		io.WriteString(t.err, fit(t.status, t.width()))
		t.shown = true
	}
}
