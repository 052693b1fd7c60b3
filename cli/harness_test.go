package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// outcome is what a command left behind.
type outcome struct {
	status         int
	stdout, stderr string
}

// lockedBuffer may be read while a command writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// millrace runs the command line in this process.
func millrace(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr lockedBuffer
	status := Run(ctx, args, strings.NewReader(stdin), &stdout, &stderr)
	return outcome{status, stdout.String(), stderr.String()}
}

// background is a command that runs until the test ends it.
type background struct {
	stdout, stderr lockedBuffer
	cancel         context.CancelFunc
	done           chan int
}

func start(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel: cancel, done: make(chan int, 1)}
	go func() { b.done <- Run(ctx, args, strings.NewReader(""), &b.stdout, &b.stderr) }()
	t.Cleanup(func() { b.stop(t) })
	return b
}

// stop ends the command as SIGTERM would and returns its status; twice is fine.
func (b *background) stop(t *testing.T) int {
	t.Helper()
	b.cancel()
	select {
	case status := <-b.done:
		b.done <- status
		return status
	case <-time.After(time.Minute):
		t.Fatalf("the command does not end; it said:\n%s", b.stderr.String())
		return -1
	}
}

// until waits until the command has written text to standard error.
func (b *background) until(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(b.stderr.String(), text) {
		select {
		case status := <-b.done:
			t.Fatalf("the command ended with %d before it said %q:\n%s", status, text, b.stderr.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command never said %q:\n%s", text, b.stderr.String())
		}
	}
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// server starts a node and waits until it listens.
func server(t *testing.T, dir string) (addr string, b *background) {
	t.Helper()
	addr = freeAddress(t)
	b = start(t, "server", "--data", dir, "--listen", addr, "--admin-listen", "none")
	b.until(t, "listening on")
	return addr, b
}

// file writes a file of the test's own.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// want checks a command's status and that its output holds texts.
func (o outcome) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if o.status != status {
		t.Fatalf("status %d, want %d\nstdout:\n%s\nstderr:\n%s", o.status, status, o.stdout, o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("the output does not hold %q\nstdout:\n%s\nstderr:\n%s", text, o.stdout, o.stderr)
		}
	}
}

// status waits for the command to end by itself.
func (b *background) status(t *testing.T) int {
	t.Helper()
	select {
	case status := <-b.done:
		b.done <- status
		return status
	case <-time.After(time.Minute):
		t.Fatalf("the command does not end; it said:\n%s", b.stderr.String())
		return -1
	}
}

// untilRows waits until the command has printed rows.
func (b *background) untilRows(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); b.stdout.String() == ""; time.Sleep(5 * time.Millisecond) {
		select {
		case status := <-b.done:
			t.Fatalf("the command ended with %d before it printed anything:\n%s", status, b.stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command printed nothing:\n%s", b.stderr.String())
		}
	}
}
