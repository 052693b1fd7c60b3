package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// report is a whole run.
type report struct {
	Time        time.Time   `json:"time"`
	Seconds     float64     `json:"seconds"`
	Go          string      `json:"go"`
	CPU         string      `json:"cpu"`
	CPUs        int         `json:"cpus"`
	Sync        string      `json:"sync"`
	LoadAtStart string      `json:"load_at_start"`
	LoadAtEnd   string      `json:"load_at_end"`
	StealShare  float64     `json:"steal_share"` // of the machine's processor time, during the run
	Commit      string      `json:"commit,omitempty"`
	Results     []*result   `json:"results"`
	Latencies   []latency   `json:"latencies,omitempty"`
	Rounds      []round     `json:"rounds,omitempty"`
	Footprints  []footprint `json:"footprints,omitempty"`
	Restarts    []restart   `json:"restarts,omitempty"`

	steal stealClock
}

// result is one side of a comparison, with an element per timed run.
type result struct {
	Scenario string    `json:"scenario"`
	Side     string    `json:"side"`
	Events   int       `json:"events"`
	NsPerEv  []float64 `json:"cpu_ns_per_event"`
	WallNs   []float64 `json:"wall_ns_per_event"`
	Allocs   []float64 `json:"allocs_per_event"`
	// Ratio is the processor time of Base over this side's, run by run.
	Ratio []float64 `json:"ratio_to_base,omitempty"`
	Base  string    `json:"base,omitempty"`
}

func newReport(c config) *report {
	return &report{
		Time: time.Now().UTC(), Go: runtime.Version(), CPU: cpuModel(), CPUs: runtime.NumCPU(),
		Sync: c.sync, LoadAtStart: loadAverage(), Commit: commit(), steal: readSteal(),
	}
}

// finish notes how the machine was while the run lasted.
func (r *report) finish() {
	r.Seconds = time.Since(r.Time).Seconds()
	r.LoadAtEnd = loadAverage()
	r.StealShare = readSteal().share(r.steal)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %d processors, %s, sync %s\nload %s at the start, %s at the end, %.1f %% stolen, %.0f s\n\n",
		r.CPU, r.CPUs, r.Go, r.Sync, r.LoadAtStart, r.LoadAtEnd, 100*r.StealShare, r.Seconds)
	const row = "%-30s %-12s %11s %8s %16s %9s %9s  %s\n"
	if len(r.Results) > 0 {
		fmt.Fprintf(w, row, "scenario", "side", "M ev/s/core", "cpu ns", "[min..max]", "wall ns", "allocs/ev", "ratio")
	}
	for _, l := range r.Results {
		ns, ratio := median(l.NsPerEv), ""
		if len(l.Ratio) > 0 {
			ratio = fmt.Sprintf("%.2f x %s", median(l.Ratio), l.Base)
		}
		fmt.Fprintf(w, row, l.Scenario, l.Side, fmt.Sprintf("%.3f", 1e3/ns), fmt.Sprintf("%.0f", ns),
			fmt.Sprintf("[%.0f..%.0f]", slices.Min(l.NsPerEv), slices.Max(l.NsPerEv)),
			fmt.Sprintf("%.0f", median(l.WallNs)), fmt.Sprintf("%.3f", median(l.Allocs)), ratio)
	}
	for _, l := range r.Latencies {
		fmt.Fprintf(w, "%-12s %-24s %d events at %d/s: p50 %v, p99 %v, p99.9 %v, max %v\n",
			l.Scenario, l.Side, l.Events, l.PerSecond, l.P50, l.P99, l.P999, l.Max)
	}
	printRounds(w, r.Rounds)
	printFootprints(w, r.Footprints)
	printRestarts(w, r.Restarts)
	fmt.Fprintln(w)
}

// write keeps the report as JSON; an empty path keeps nothing.
func (r *report) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
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

// median is the middle value, of an even number the mean of the middle two.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	switch {
	case n == 0:
		return 0
	case n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[n/2]
}
