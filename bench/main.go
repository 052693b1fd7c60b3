// Command bench measures Millrace against a program that does the same work the
// plain way, in one run on one machine.
//
//	go run ./bench                      every scenario, a table, bench-result.json
//	go run ./bench -quick               a small run, to see that everything works
//	go run ./bench -only filter_map     scenarios whose names begin so
//	go run ./bench -rows 8000000        a larger input
//
// The figure is processor time per event of the whole process, user and system,
// log and engine (or log and naive program) together: on a shared machine it
// moves by a tenth where wall time moves by half. Runs of the sides alternate,
// and every ratio is the median of the ratios of neighbouring runs.
//
// Inputs are written to the log before anything is measured, are larger than the
// caches, and hold no two equal rows, because a branch predictor learns a short
// loop by heart. Outputs of both sides are compared on the naive program's input,
// and those of every timed run of Millrace with each other.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"github.com/millrace/millrace/internal/ballast"
)

// config is what the flags say.
type config struct {
	rows       int
	naiveRows  int
	pairs      int
	quick      bool
	only       string
	dir        string
	out        string
	sync       string
	cpuProfile string
	// restartBytes is the size of the larger log that restart begins with.
	restartBytes int64
	// against is another build of this program, whose node the scenario node compares.
	against string
	load    string
}

func main() {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench: node:", err)
			os.Exit(1)
		}
		return
	}
	var c config
	flag.IntVar(&c.rows, "rows", 4_000_000, "events of the input")
	flag.IntVar(&c.naiveRows, "naive-rows", 250_000, "events that the naive program gets; the figure is per event")
	flag.IntVar(&c.pairs, "pairs", 5, "pairs of runs per comparison")
	flag.BoolVar(&c.quick, "quick", false, "few rows, one pair: whether it works, not how fast")
	flag.StringVar(&c.only, "only", "", "only scenarios whose name begins so")
	flag.StringVar(&c.dir, "dir", "", "where the log goes (default: a temporary directory, removed at the end)")
	flag.StringVar(&c.out, "json", "bench-result.json", "file for the results; empty for none")
	flag.StringVar(&c.sync, "sync", "always", "sync policy of the log: always, interval or os")
	flag.Int64Var(&c.restartBytes, "restart-bytes", 4<<30, "size of the larger log of the scenario restart")
	flag.StringVar(&c.against, "against", "", "another build of this program: the scenario node measures its node, too")
	flag.StringVar(&c.load, "load", "", "only loads of the scenario node whose name begins so")
	flag.StringVar(&c.cpuProfile, "cpuprofile", "", "write processor profiles of Millrace's timed runs to FILE.scenario.1, .2, …")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// scenario is a comparison; its lines are in the order in which they are printed.
type scenario struct {
	name string
	run  func(context.Context, *bed) error
}

// run runs the scenarios, each on a node of its own, and prints what came out.
func run(ctx context.Context, c config) error {
	if c.quick {
		c.rows, c.naiveRows, c.pairs = min(c.rows, 500_000), min(c.naiveRows, 150_000), 1
	}
	defer ballast.Load(ballast.Size)() // as the millrace command does; the naive program has it too
	rep := newReport(c)
	ran := false
	for _, s := range scenarios {
		if !strings.HasPrefix(s.name, c.only) {
			continue
		}
		ran = true
		fmt.Fprintf(os.Stderr, "bench: %s\n", s.name)
		if err := runScenario(ctx, c, s, rep); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if !ran {
		return fmt.Errorf("no scenario begins with %q", c.only)
	}
	rep.finish()
	rep.print(os.Stdout)
	return rep.write(c.out)
}

func runScenario(ctx context.Context, c config, s scenario, rep *report) (err error) {
	b, err := newBed(ctx, c, s.name, rep)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := b.close(); err == nil {
			err = cerr
		}
	}()
	return s.run(ctx, b)
}
