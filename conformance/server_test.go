package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// server is the millrace program, as a process of its own, over one data directory.
type server struct {
	t       *testing.T
	dir     string
	args    []string
	listens []string // PROTOCOL://HOST:PORT, each with its port after the first start
	log     *os.File

	mu    sync.Mutex // guards cmd and ended
	cmd   *exec.Cmd  // nil while no process runs
	ended chan struct{}
}

// millrace is the program, built once for all tests of the package.
var millrace = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "millrace-conformance-")
	if err != nil {
		return "", err
	}
	programs = append(programs, dir)
	path := filepath.Join(dir, "millrace")
	build := exec.Command("go", "build", "-o", path, "./cmd/millrace")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build millrace: %w\n%s", err, out)
	}
	return path, nil
})

// programs are folders to remove when all tests are done.
var programs []string

func TestMain(m *testing.M) {
	status := m.Run()
	for _, dir := range programs {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// startServer starts the program with a listener per protocol, each on a free port of
// localhost; the test's end ends it. What it has to say is printed if the test fails.
func startServer(t *testing.T, protocols []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), args: args}
	for _, p := range protocols {
		s.listens = append(s.listens, p+"://localhost:0")
	}
	var err error
	if s.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		if b, err := os.ReadFile(s.log.Name()); err == nil && t.Failed() {
			t.Logf("the node said:\n%s", tail(strings.SplitAfter(string(b), "\n")))
		}
		_ = s.log.Close()
	})
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs the program and waits until it listens.
func (s *server) start() error {
	path, err := millrace()
	if err != nil {
		return err
	}
	args := append([]string{"server", "--data", s.dir, "--admin-listen", "none"}, s.args...)
	for _, l := range s.listens {
		args = append(args, "--listen", l)
	}
	cmd := exec.Command(path, args...)
	said, err := s.run(cmd)
	if err != nil {
		return err
	}
	var head strings.Builder
	for in := bufio.NewReader(said); ; {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if _, rest, ok := strings.Cut(line, "listening on "); ok {
			s.keepPorts(rest)
			_, _ = s.log.WriteString(head.String())
			go func() { _, _ = io.Copy(s.log, in) }() // ends with the process
			return nil
		}
		if err != nil {
			s.stop(syscall.SIGKILL)
			return fmt.Errorf("millrace server ended before it listened:\n%s", head.String())
		}
	}
}

// keepPorts makes the next start listen where this one does; said is what it says of
// its listeners, "127.0.0.1:1234, 127.0.0.1:1235 for Kafka clients".
func (s *server) keepPorts(said string) {
	list, _, _ := strings.Cut(said, " for ")
	for i, addr := range strings.Split(list, ", ") {
		_, port, _ := net.SplitHostPort(addr)
		protocol, _, _ := strings.Cut(s.listens[i], "://")
		s.listens[i] = protocol + "://localhost:" + port
	}
}

// addr is the address of the i-th listener.
func (s *server) addr(i int) string {
	_, addr, _ := strings.Cut(s.listens[i], "://localhost")
	return "127.0.0.1" + addr
}

// run starts the process and returns what it writes; stop waits until all of that
// was read.
func (s *server) run(cmd *exec.Cmd) (io.Reader, error) {
	said, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.cmd, s.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait()
		_ = write.Close()
		close(ended)
	}(s.ended)
	return said, nil
}

// stop ends the process by a signal and waits for it.
func (s *server) stop(how syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(how)
	<-s.ended
	s.cmd = nil
}
