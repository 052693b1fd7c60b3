package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/connectors"
)

// rowsFor makes splits of rows whose event times rise, with some disorder that
// stays within the source's out_of_order.
func rowsFor(seed uint64, splits, rows int) [][]memRow {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := make([][]memRow, splits)
	for i := range all {
		for n := range rows {
			at := int64(n)*7 + 10_000 - rng.Int64N(400)
			all[i] = append(all[i], memRow{key: fmt.Sprint("k", rng.IntN(20)), value: rng.Int64N(100), at: at})
		}
	}
	return all
}

func TestBoundedPipeline(t *testing.T) {
	cluster := newCluster(t)
	src := &memSource{splits: rowsFor(1, 4, 3000), step: 97}
	g := newTestGraph("bounded", src)
	p := openPipeline(t, g, cluster, t.TempDir())
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	want := expected(src.splits)
	if got := g.sums.sorted(); !slices.Equal(got, want) {
		t.Errorf("sums differ: %d rows, want %d", len(got), len(want))
	}
	if got := readTopic(t, cluster, "out"); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
	if len(g.late.rows) > 0 || len(g.fails.rows) > 0 {
		t.Errorf("late %v, errors %v", g.late.rows, g.fails.rows)
	}
	if s := p.Stats(); s.RowsIn != 12_000 || !s.Ended {
		t.Errorf("stats: %+v", s)
	}
}

// TestFailuresRepeatNothing ends readers and operators with errors again and
// again; what is committed is the same as without.
func TestFailuresRepeatNothing(t *testing.T) {
	cluster := newCluster(t)
	rng := rand.New(rand.NewPCG(3, 3))
	src := &memSource{splits: rowsFor(2, 3, 2000), step: 31}
	left := 6
	src.gate = func(_, row int) error {
		if left > 0 && row > 0 && rng.IntN(40) == 0 {
			left--
			return fmt.Errorf("a read failed: %w", connectors.ErrTransient)
		}
		return nil
	}
	g := newTestGraph("failures", src)
	p := openPipeline(t, g, cluster, t.TempDir())
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := expected(src.splits)
	if got := g.sums.sorted(); !slices.Equal(got, want) {
		t.Errorf("sums differ: %d rows, want %d", len(got), len(want))
	}
	if got := readTopic(t, cluster, "out"); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
	if p.Stats().Aborts == 0 {
		t.Error("nothing was aborted: the test tests nothing")
	}
}

// TestStopAndGoOn ends the run in the middle, several times, each time with a new
// pipeline over the same state directory; once the directory is lost.
func TestStopAndGoOn(t *testing.T) {
	cluster := newCluster(t)
	dir := t.TempDir()
	src := &memSource{splits: rowsFor(5, 4, 4000), step: 50}
	var all []string
	for life := range 5 {
		g := newTestGraph("lives", src)
		ctx, cancel := context.WithCancel(t.Context())
		if life < 4 {
			g.sums.onCommit = func(int) { cancel() }
		}
		if life == 3 {
			dir = t.TempDir()
		}
		p := openPipeline(t, g, cluster, dir)
		if err := p.Run(ctx); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		cancel()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, g.sums.rows...)
		if len(g.late.rows) > 0 {
			t.Errorf("life %d: late rows %v", life, g.late.rows)
		}
	}
	slices.Sort(all)
	want := expected(src.splits)
	if !slices.Equal(all, want) {
		t.Errorf("sums differ: %d rows, want %d", len(all), len(want))
	}
	if got := readTopic(t, cluster, "out"); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
}

// TestLateRows: whether a row is late depends on its own split alone.
func TestLateRows(t *testing.T) {
	cluster := newCluster(t)
	src := &memSource{step: 1, splits: [][]memRow{
		{{"a", 1, 10_100}, {"a", 2, 15_000}, {"a", 4, 10_200}, {"a", 8, 14_400}},
		{{"a", 16, 10_300}},
	}}
	g := newTestGraph("late", src)
	p := openPipeline(t, g, cluster, t.TempDir())
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := g.sums.sorted(), []string{"a 11000 17", "a 15000 8", "a 16000 2"}; !slices.Equal(got, want) {
		t.Errorf("sums %v, want %v", got, want)
	}
	if got := g.late.rows; len(got) != 1 {
		t.Errorf("late rows %v, want the one of 10200", got)
	}
}

// TestLateToTheTick: a window that ends where the watermark stands is closed, and one
// that ends a tick later is open.
func TestLateToTheTick(t *testing.T) {
	src := &memSource{step: 1, splits: [][]memRow{{
		{"a", 1, 15_499}, {"a", 2, 14_999}, // at the watermark 14 999
		{"a", 4, 15_500}, {"a", 8, 14_999}, // at 15 000
	}}}
	g := newTestGraph("ticks", src)
	p := openPipeline(t, g, newCluster(t), t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := g.sums.sorted(), []string{"a 15000 2", "a 16000 5"}; !slices.Equal(got, want) {
		t.Errorf("sums %v, want %v", got, want)
	}
	if got := g.late.rows; len(got) != 1 {
		t.Errorf("late rows %v, want the second of 14999", got)
	}
}

// TestPoisonRow: a row that makes an operator panic, over and over, goes to the
// error port; the others count once.
func TestPoisonRow(t *testing.T) {
	cluster := newCluster(t)
	src := &memSource{splits: rowsFor(8, 2, 500), step: 40}
	g := newTestGraph("poison", src)
	bad := src.splits[1][333]
	bad.key, bad.value = "bad", 666
	src.splits[1][333] = bad
	g.op.fail = func(key string, v int64) error {
		if v == 666 {
			panic("cannot work on " + key)
		}
		return nil
	}
	p := openPipeline(t, g, cluster, t.TempDir())
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	src.splits[1] = append(src.splits[1][:333:333], src.splits[1][334:]...)
	if got, want := g.sums.sorted(), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("sums differ: %d rows, want %d", len(got), len(want))
	}
	if len(g.fails.rows) != 1 {
		t.Errorf("error rows: %v", g.fails.rows)
	}
}

// TestSinkFailsAfterTheCommit: when an after-commit sink fails, the epoch is in
// the log already. State must have it too: taking it back would lose its rows in
// every window that is still open.
func TestSinkFailsAfterTheCommit(t *testing.T) {
	cluster := newCluster(t)
	src := &memSource{splits: rowsFor(11, 2, 2000), step: 20}
	dir := t.TempDir()
	broken := newTestGraph("sinkfail", src)
	halves(src, broken.sums)
	broken.sums.failAfter = 2
	p := openPipeline(t, broken, cluster, dir)
	if err := p.Run(t.Context()); !errors.Is(err, errBrokenPipe) {
		t.Fatalf("Run: %v, want the sink's error", err)
	}
	p.Close()
	mended := newTestGraph("sinkfail", src)
	p = openPipeline(t, mended, cluster, dir)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if got, want := readTopic(t, cluster, "out"), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
}

// TestSinkFailsForAWhile is the same with a sink that can be tried again: the tasks of
// this process go on, and they had not heard of the commit.
func TestSinkFailsForAWhile(t *testing.T) {
	cluster := newCluster(t)
	src := &memSource{splits: rowsFor(11, 2, 2000), step: 20}
	g := newTestGraph("sinkpause", src)
	halves(src, g.sums)
	g.sums.failAfter, g.sums.failure = 2, fmt.Errorf("the pipe is full: %w", connectors.ErrTransient)
	p := openPipeline(t, g, cluster, t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Stats().Aborts != 1 {
		t.Errorf("%d generations failed, not the one of the sink", p.Stats().Aborts)
	}
	if got, want := readTopic(t, cluster, "out"), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
}

func TestMovedOffsetsAreRefused(t *testing.T) {
	err := sameOffsets("g", map[string]int64{"t/0": 5, "t/1": 7}, map[string]int64{"t/0": 5, "t/1": 9})
	var moved *OffsetsMoved
	if !errors.As(err, &moved) {
		t.Fatalf("got %v", err)
	}
	if err := sameOffsets("g", map[string]int64{"t/0": 5}, map[string]int64{"t/0": 5, "t/1": 9}); err != nil {
		t.Error(err)
	}
}
