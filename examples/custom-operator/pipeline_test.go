package main

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cli"
	"github.com/millrace/millrace/dsl"
)

// TestPipelineKnowsEwma: a registered operator is a verb like any other.
func TestPipelineKnowsEwma(t *testing.T) {
	g, err := dsl.Load("pipeline.yaml", dsl.Catalog{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		if n.Name == "smooth" {
			if got := n.Schema.String(); got != "{ad: string, price: int64, ewma: float64|null}" {
				t.Errorf("smooth has the columns %s", got)
			}
			return
		}
	}
	t.Error("no node smooth")
}

// TestPipelineRuns runs this program's command line and works the averages out
// again from the prices that it printed.
func TestPipelineRuns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	args := []string{"run", "pipeline.yaml", "--data", t.TempDir(), "--listen", "none"}
	if status := cli.Run(ctx, args, strings.NewReader(""), &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s", status, stderr.String())
	}
	rows, averages := 0, map[string]float64{}
	for line := range strings.Lines(stdout.String()) {
		cells := strings.Fields(line)
		if len(cells) != 3 || cells[0] == "ad" {
			continue
		}
		price, err := strconv.ParseFloat(cells[1], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got, err := strconv.ParseFloat(cells[2], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := price
		if average, known := averages[cells[0]]; known {
			want = 0.2*price + 0.8*average
		}
		averages[cells[0]] = want
		if math.Abs(got-want) > 1e-9*want {
			t.Fatalf("row %d: %q, want an average of %v", rows, strings.TrimSpace(line), want)
		}
		rows++
	}
	if rows != 200 || len(averages) != 2 {
		t.Errorf("%d rows of %d ads, want 200 of 2:\n%s", rows, len(averages), stdout.String())
	}
}
