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
	"runtime/pprof"
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

// childSays is what the process prints: where it listens, and then an answer to every
// line on its standard input (see child).
type childSays struct {
	Addr       string        `json:"addr,omitempty"`
	HeapBytes  uint64        `json:"heap_bytes,omitempty"` // in use, stacks included, after a collection
	Goroutines int           `json:"goroutines,omitempty"`
	RSSBytes   int64         `json:"rss_bytes,omitempty"` // 0 where the system does not tell
	CPU        time.Duration `json:"cpu_ns,omitempty"`
	Allocs     uint64        `json:"allocs,omitempty"`
	Error      string        `json:"error,omitempty"`
}

// child runs until its standard input ends, or it is killed. It is asked
//
//	needs           for the memory in use
//	cost            for the processor time and the allocations so far
//	profile FILE    to begin a processor profile
//	profiled        to end it
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
	for in := bufio.NewScanner(os.Stdin); err == nil && in.Scan(); {
		err = out.Encode(childAnswer(in.Text()))
	}
	return errors.Join(err, node.Close(ctx))
}

func childAnswer(line string) childSays {
	what, file, _ := strings.Cut(line, " ")
	switch what {
	case "needs":
		return needs()
	case "cost":
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return childSays{CPU: cpuTime(), Allocs: m.Mallocs}
	case "profiled":
		pprof.StopCPUProfile()
		return childSays{}
	case "profile":
		f, err := os.Create(file)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return childSays{Error: err.Error()}
		}
		return childSays{}
	}
	return childSays{Error: "nobody knows what " + what + " is"}
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
	return startProcessOf(exe, dir)
}

// startProcessOf starts a node of this program as it was built at any time.
func startProcessOf(exe, dir string) (_ *process, err error) {
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

// ask has the process answer a line.
func (p *process) ask(line string) (childSays, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return childSays{}, err
	}
	s, err := p.says()
	if err == nil && s.Error != "" {
		err = fmt.Errorf("%s: %s", line, s.Error)
	}
	return s, err
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
