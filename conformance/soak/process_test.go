package soak

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is the millrace program, as a process of its own, over one data directory. It
// belongs to one goroutine.
type node struct {
	program, dir, sync string
	addr               string // after the first start with its port
	said               *os.File
	cmd                *exec.Cmd
	ended              chan struct{}
}

// newNode builds the program, if none is given.
func newNode(t *testing.T, program, sync string) *node {
	t.Helper()
	n := &node{program: program, dir: filepath.Join(t.TempDir(), "data"), sync: sync, addr: "127.0.0.1:0"}
	if program == "" {
		n.program = filepath.Join(t.TempDir(), "millrace")
		build := exec.Command("go", "build", "-o", n.program, "./cmd/millrace")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build millrace: %v\n%s", err, out)
		}
	}
	var err error
	if n.said, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.stop(syscall.SIGKILL)
		_ = n.said.Close()
	})
	return n
}

// start runs the program and waits until it listens.
func (n *node) start() error {
	said, write := io.Pipe()
	n.cmd = exec.Command(n.program, "server", "--verbose", "--data", n.dir, "--admin-listen", "none", "--listen", n.addr, "--sync", n.sync)
	n.cmd.Stdout, n.cmd.Stderr = write, write
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		_ = write.Close()
		close(ended)
	}(n.cmd, n.ended)
	fmt.Fprintf(n.said, "--- start at %s\n", time.Now().UTC().Format(time.RFC3339Nano))
	var head strings.Builder
	for in := bufio.NewReader(said); ; {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if _, at, ok := strings.Cut(line, "listening on "); ok {
			n.addr, _, _ = strings.Cut(at, " ")
			_, _ = n.said.WriteString(head.String())
			go func() { _, _ = io.Copy(n.said, in) }() // ends with the process
			return nil
		}
		if err != nil {
			n.stop(syscall.SIGKILL)
			return fmt.Errorf("millrace server ended before it listened:\n%s", head.String())
		}
	}
}

// begin runs the program without waiting for anything, for a life that is to be short.
func (n *node) begin() error {
	n.cmd = exec.Command(n.program, "server", "--data", n.dir, "--admin-listen", "none", "--listen", n.addr, "--sync", n.sync)
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(n.cmd, n.ended)
	return nil
}

// stop ends the process by a signal and waits for it. It says whether the process had
// ended by itself.
func (n *node) stop(how syscall.Signal) (already bool) {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.ended:
		already = true
	default:
	}
	_ = n.cmd.Process.Signal(how)
	<-n.ended
	n.cmd = nil
	return already
}

// verify runs `millrace log verify` over the directory of the stopped node.
func (n *node) verify() error {
	out, err := exec.Command(n.program, "log", "verify", n.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("millrace log verify: %w\n%s", err, out)
	}
	return nil
}

// tell is the end of what the node has said.
func (n *node) tell() string {
	b, _ := os.ReadFile(n.said.Name())
	return string(b[max(0, len(b)-8<<10):])
}
