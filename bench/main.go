// Command bench measures Millrace against a program that does the same work the
// plain way, in one run on one machine.
//
//	go run ./bench                      every scenario, a table, bench-result.json
//	go run ./bench -only filter_map     one of them
//	go run ./bench -rows 8000000        a larger input
//
// The figure is processor time per event of the whole process, user and system,
// log and engine (or log and naive program) together: on a shared machine it
// moves by a tenth where wall time moves by half. Runs of the two sides alternate,
// and every ratio is the median of the ratios of neighbouring runs.
//
// Inputs are written to the log before anything is measured, are larger than the
// caches, and hold 65 536 or more different rows, because a branch predictor
// learns a short loop by heart. Outputs of both sides are compared.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	rows      int
	naiveRows int
	pairs     int
	only      string
	dir       string
	out       string
	sync      string
}

func main() {
	var c config
	flag.IntVar(&c.rows, "rows", 4_000_000, "events of the input")
	flag.IntVar(&c.naiveRows, "naive-rows", 200_000, "events that the naive program gets; the figure is per event")
	flag.IntVar(&c.pairs, "pairs", 5, "pairs of runs per comparison")
	flag.StringVar(&c.only, "only", "", "only scenarios whose name begins so")
	flag.StringVar(&c.dir, "dir", "", "where the log goes (default: a temporary directory, removed at the end)")
	flag.StringVar(&c.out, "json", "bench-result.json", "file for the results; empty for none")
	flag.StringVar(&c.sync, "sync", "always", "sync policy of the log: always, interval or os")
	flag.Parse()
	if err := run(context.Background(), c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// result is one measured line.
type result struct {
	Scenario string    `json:"scenario"`
	Side     string    `json:"side"`
	Events   int       `json:"events"`
	NsPerEv  []float64 `json:"cpu_ns_per_event"` // one per run
	WallNs   []float64 `json:"wall_ns_per_event"`
	Allocs   []float64 `json:"allocs_per_event"`
	Ratio    []float64 `json:"ratio_to_base,omitempty"` // base CPU over this side's, per pair
	Base     string    `json:"base,omitempty"`
}

// report is the whole run.
type report struct {
	Time    time.Time `json:"time"`
	Go      string    `json:"go"`
	CPU     string    `json:"cpu"`
	CPUs    int       `json:"cpus"`
	Sync    string    `json:"sync"`
	Load    string    `json:"load_at_start"`
	Commit  string    `json:"commit,omitempty"`
	Results []result  `json:"results"`
}

func run(ctx context.Context, c config) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "millrace-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c.dir = dir
	}
	rep := report{Time: time.Now().UTC(), Go: runtime.Version(), CPU: cpuModel(), CPUs: runtime.NumCPU(), Sync: c.sync, Load: loadAverage(), Commit: commit()}
	b, err := newBed(ctx, c)
	if err != nil {
		return err
	}
	defer b.close()
	for _, s := range scenarios {
		if !strings.HasPrefix(s.name, c.only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", s.name)
		lines, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rep.Results = append(rep.Results, lines...)
	}
	printReport(os.Stdout, rep)
	if c.out == "" {
		return nil
	}
	text, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.out, append(text, '\n'), 0o644)
}

// scenario is a comparison; its lines are in the order in which they are printed.
type scenario struct {
	name string
	run  func(context.Context, *bed) ([]result, error)
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
