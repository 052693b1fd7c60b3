package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/ballast"
	millog "github.com/millrace/millrace/log"
)

// childEnv has this program be a node in a process of its own, which can be killed,
// and whose memory is nobody else's: a data directory.
const childEnv = "MILLRACE_BENCH_NODE"

// childSays is what the process prints: where it listens, and then, for every byte
// on its standard input, what it needs.
type childSays struct {
	Addr       string `json:"addr,omitempty"`
	HeapBytes  uint64 `json:"heap_bytes,omitempty"` // in use, stacks included, after a collection
	Goroutines int    `json:"goroutines,omitempty"`
	RSSBytes   int64  `json:"rss_bytes,omitempty"` // 0 where the system does not tell
}

// child runs until its standard input ends, or it is killed.
func child(dir string) error {
	defer ballast.Load(ballast.Size)()
	ctx := context.Background()
	node, err := millog.Open(ctx, millog.Options{DataDir: dir})
	if err != nil {
		return err
	}
	l, err := node.Listen("127.0.0.1:0")
	if err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	go func() { _ = l.Serve(ctx) }() // ended by Close; what it says then is of no interest
	out := json.NewEncoder(os.Stdout)
	err = out.Encode(childSays{Addr: l.Addr()})
	for one := make([]byte, 1); err == nil; {
		if _, err = os.Stdin.Read(one); err == nil {
			err = out.Encode(needs())
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, node.Close(ctx))
}

// needs is the memory of this process once garbage is gone and given back.
func needs() childSays {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return childSays{HeapBytes: m.HeapAlloc + m.StackInuse - ballastBytes(), Goroutines: runtime.NumGoroutine(), RSSBytes: residentBytes()}
}

// ballastBytes is the part of the heap that has no memory behind it.
func ballastBytes() uint64 {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	return ballast.Size
}

// residentBytes is what /proc says.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// process is a child.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func startProcess(dir string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(exe)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+dir)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	says, err := p.says()
	if err != nil {
		return nil, errors.Join(err, p.kill())
	}
	p.addr = says.Addr
	return p, nil
}

func (p *process) says() (childSays, error) {
	var s childSays
	if !p.out.Scan() {
		return s, fmt.Errorf("the node's process said nothing: %w", errors.Join(p.out.Err(), io.ErrUnexpectedEOF))
	}
	return s, json.Unmarshal(p.out.Bytes(), &s)
}

// needs asks for the memory in use.
func (p *process) needs() (childSays, error) {
	if _, err := p.in.Write([]byte{'?'}); err != nil {
		return childSays{}, err
	}
	return p.says()
}

// kill ends the process as a crash would.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it says that it was killed
	return err
}

// stop ends it in good order.
func (p *process) stop() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}

// client is a franz-go client of the process.
func (p *process) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(p.addr), kgo.RetryTimeout(time.Minute)}, opts...)...)
}
