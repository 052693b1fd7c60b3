package engine

import (
	"context"
	"slices"
	"testing"
)

// TestNewSplitComesLate: a split that joins a pipeline whose windows have closed
// does not open them again.
func TestNewSplitComesLate(t *testing.T) {
	cluster, dir := newCluster(t), t.TempDir()
	src := &memSource{open: true, step: 5, splits: [][]memRow{{{"a", 1, 10_100}, {"a", 2, 15_000}}}}
	run := func(rows int) *testGraph {
		g := newTestGraph("grown", src)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stop := func(int) {
			if len(g.sums.rows)+len(g.late.rows) >= rows {
				cancel()
			}
		}
		g.sums.onCommit, g.late.onCommit = stop, stop
		p := openPipeline(t, g, cluster, dir)
		defer p.Close()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		return g
	}
	if g := run(1); !slices.Equal(g.sums.rows, []string{"a 11000 1"}) {
		t.Fatalf("sums %v", g.sums.rows)
	}
	src.splits = append(src.splits, []memRow{{"a", 4, 10_200}, {"a", 8, 15_100}, {"a", 16, 17_000}})
	src.splits[0] = append(src.splits[0], memRow{"a", 32, 17_000})
	if g := run(2); len(g.late.rows) != 1 || !slices.Equal(g.sums.rows, []string{"a 16000 10"}) {
		t.Errorf("sums %v, late rows %v", g.sums.rows, g.late.rows)
	}
}

// TestSourceTakenOut: a topic that the pipeline no longer reads is not an offset
// that somebody moved.
func TestSourceTakenOut(t *testing.T) {
	cluster, dir := newCluster(t), t.TempDir()
	for _, topic := range []string{"before", "after"} {
		g := newTestGraph("edited", &memSource{splits: rowsFor(1, 1, 100), step: 10})
		g.graph.Nodes[0].Source.Topic = topic
		g.graph.Nodes[0].Name = topic
		p := openPipeline(t, g, cluster, dir)
		if err := p.Run(t.Context()); err != nil {
			t.Errorf("reading %s: %v", topic, err)
		}
		p.Close()
	}
}
