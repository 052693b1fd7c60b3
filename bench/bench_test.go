package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test's binary be the node of a scenario that wants one in a process
// of its own.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRun runs every scenario with few rows, so that the benchmark cannot rot
// unseen. What it measures then means nothing.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "result.json")
	c := config{rows: 40_000, naiveRows: 40_000, pairs: 1, quick: true, dir: dir, out: out, sync: "os"}
	rep := newReport(c)
	defer func(p []int32) { peerPartitions = p }(peerPartitions)
	peerPartitions = []int32{1, 20}
	for _, s := range scenarios {
		if strings.HasPrefix(s.name, "window_") {
			if s.name != "window_10k" {
				continue // the same with another key
			}
			s.run = windows("auction", 1, 1).run // so that some of the windows close
		}
		if err := runScenario(context.Background(), c, s, rep); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	rep.finish()
	if err := rep.write(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 34 || len(got.Latencies) != 6 {
		t.Fatalf("%d results and %d latencies, want 34 and 6", len(got.Results), len(got.Latencies))
	}
	for _, r := range got.Results {
		if len(r.NsPerEv) != 1 || r.NsPerEv[0] <= 0 || r.Events == 0 {
			t.Errorf("%s, %s: %d events, %v ns", r.Scenario, r.Side, r.Events, r.NsPerEv)
		}
		if isBase := r.Base == ""; isBase == (len(r.Ratio) == 1) {
			t.Errorf("%s, %s: base %q and ratios %v", r.Scenario, r.Side, r.Base, r.Ratio)
		}
	}
	var table strings.Builder
	got.print(&table)
	for _, s := range []string{"filter_map", "at least once", "naive", "p99.9"} {
		if !strings.Contains(table.String(), s) {
			t.Errorf("the table says nothing of %q:\n%s", s, table.String())
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 5}, 5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.in, got, c.want)
		}
	}
}
