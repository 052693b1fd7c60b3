package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// newCluster starts a broker for the test: franz-go's fake, so that the engine is
// tested against a log that is not ours.
func newCluster(t *testing.T) client.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SleepOutOfOrder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return client.FromKgo(cl)
}

// memRow is one row of the tests' source.
type memRow struct {
	key   string
	value int64
	at    int64 // microseconds
}

var memSchema = mustSchema(
	columnar.Column{Name: "key", Type: columnar.Type{Kind: columnar.String}},
	columnar.Column{Name: "value", Type: columnar.Type{Kind: columnar.Int64}},
	columnar.Column{Name: "at", Type: columnar.Type{Kind: columnar.Timestamp}},
)

func mustSchema(cols ...columnar.Column) *columnar.Schema {
	s, err := columnar.NewSchema(cols...)
	if err != nil {
		panic(err)
	}
	return s
}

// memSource reads rows from memory, one split per slice.
type memSource struct {
	mu     sync.Mutex // one gate at a time
	splits [][]memRow
	step   int                        // rows per read
	gate   func(split, row int) error // before each read; nil: go on
	hold   func(row int) bool         // a read from this row on brings nothing yet; nil: none is held
	open   bool                       // unbounded: at the end it waits
	name   string                     // of the node, default "mem"
}

func (m *memSource) Splits(context.Context) ([]connectors.Split, error) {
	var all []connectors.Split
	for i := range m.splits {
		all = append(all, connectors.Split{ID: fmt.Sprint(i), Partition: int32(i)})
	}
	return all, nil
}

func (m *memSource) Open(_ context.Context, s connectors.Split, pos []byte) (connectors.Reader, error) {
	r := &memReader{src: m, split: int(s.Partition)}
	if pos != nil {
		r.row = int(binary.BigEndian.Uint64(pos))
	}
	for _, c := range memSchema.Columns {
		r.cols = append(r.cols, columnar.NewBuffer(c.Type, 16))
	}
	return r, nil
}

func (m *memSource) Close() error { return nil }

type memReader struct {
	src   *memSource
	split int
	row   int
	cols  []*columnar.Buffer
}

func (r *memReader) Read(ctx context.Context) (*connectors.Read, error) {
	rows := r.src.splits[r.split]
	if r.row == len(rows) {
		if !r.src.open {
			return nil, io.EOF
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if r.src.hold != nil && r.row < len(rows) && r.src.hold(r.row) {
		rows = rows[:r.row]
		time.Sleep(time.Millisecond)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r.src.gate != nil {
		r.src.mu.Lock()
		err := r.src.gate(r.split, r.row)
		r.src.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	n := min(r.src.step, len(rows)-r.row)
	for i, c := range r.cols {
		c.Reset(memSchema.Columns[i].Type)
	}
	pos := &columnar.Positions{Source: cmp.Or(r.src.name, "mem"), Split: fmt.Sprint(r.split), Partition: int32(r.split)}
	for _, row := range rows[r.row : r.row+n] {
		r.cols[0].AppendString(row.key)
		r.cols[1].AppendInt64(row.value)
		r.cols[2].AppendInt64(row.at)
		pos.Offset = append(pos.Offset, int64(r.row))
		r.row++
	}
	b := &columnar.Batch{Schema: memSchema, Rows: n, Pos: pos}
	for _, c := range r.cols {
		b.Cols = append(b.Cols, c.Array())
	}
	return &connectors.Read{Batch: b, Next: binary.BigEndian.AppendUint64(nil, uint64(r.row)), AtEnd: r.row == len(rows)}, nil
}

func (r *memReader) Committed(context.Context, []byte) error { return nil }
func (r *memReader) Close() error                            { return nil }

// halves holds the second half of every split back until a commit has delivered rows
// to the sink, so that there are two such commits at least, however fast the machine
// is.
func halves(src *memSource, sink *collector) {
	var delivered atomic.Bool
	src.hold = func(row int) bool { return row >= len(src.splits[0])/2 && !delivered.Load() }
	sink.onCommit = func(rows int) {
		if rows > 0 {
			delivered.Store(true)
		}
	}
}

// window is the length of the test operator's windows.
const window = int64(1000)

// windowSum sums value per key and tumbling window, by the state's plain values.
type windowSum struct {
	ctx  *operators.Context
	fail func(key string, value int64) error
}

var sumSchema = mustSchema(
	columnar.Column{Name: "key", Type: columnar.Type{Kind: columnar.String}},
	columnar.Column{Name: "end", Type: columnar.Type{Kind: columnar.Int64}},
	columnar.Column{Name: "sum", Type: columnar.Type{Kind: columnar.Int64}},
)

func (w *windowSum) Open(ctx *operators.Context) error {
	w.ctx = ctx
	return nil
}

func (w *windowSum) Process(_ int, b *columnar.Batch, _ operators.Output) error {
	values := b.Cols[1].(*array.Int64).Int64Values()
	keys := b.Cols[0].(*array.String)
	return eachRow(b, func(_ *columnar.Batch, i int32) error {
		if w.fail != nil {
			if err := w.fail(keys.Value(int(i)), values[i]); err != nil {
				return err
			}
		}
		end := (b.EventTime[i]/window + 1) * window
		part, key := b.Keys.Partition[i], []byte(keys.Value(int(i)))
		old, err := w.ctx.State.Get(part, end, key)
		if err != nil {
			return err
		}
		sum := values[i]
		if old != nil {
			sum += int64(binary.BigEndian.Uint64(old))
		} else if err := w.ctx.State.SetTimer(part, end, key); err != nil {
			return err
		}
		return w.ctx.State.Put(part, end, key, binary.BigEndian.AppendUint64(nil, uint64(sum)))
	})
}

func (w *windowSum) Timer(part int32, key []byte, end int64, out operators.Output) error {
	v, err := w.ctx.State.Get(part, end, key)
	if err != nil || v == nil {
		return errors.Join(err, fmt.Errorf("no state for %s at %d", key, end))
	}
	cols := []*columnar.Buffer{columnar.NewBuffer(sumSchema.Columns[0].Type, 1), columnar.NewBuffer(sumSchema.Columns[1].Type, 1), columnar.NewBuffer(sumSchema.Columns[2].Type, 1)}
	cols[0].AppendBytes(key)
	cols[1].AppendInt64(end)
	cols[2].AppendInt64(int64(binary.BigEndian.Uint64(v)))
	b := &columnar.Batch{Schema: sumSchema, Rows: 1, EventTime: []int64{end - 1}}
	for _, c := range cols {
		b.Cols = append(b.Cols, c.Array())
	}
	if err := w.ctx.State.Delete(part, end, key); err != nil {
		return err
	}
	return out.Emit(b)
}

func (w *windowSum) Watermark(int64, operators.Output) error { return nil }
func (w *windowSum) Close() error                            { return nil }

// textSink writes each row's values, separated by spaces, to a topic.
type textSink struct{ topic string }

func (s textSink) Write(b *columnar.Batch, out connectors.LogWriter, _ func(int32, error)) error {
	return eachRow(b, func(_ *columnar.Batch, i int32) error {
		return out.Append(s.topic, 0, 1, nil, []byte(rowText(b, i)))
	})
}

func (textSink) Close() error { return nil }

func rowText(b *columnar.Batch, i int32) string {
	s := ""
	for c := range b.Cols {
		if c > 0 {
			s += " "
		}
		s += b.Cols[c].ValueStr(int(i))
	}
	return s
}

// collector is an after-commit sink that keeps what it was given.
type collector struct {
	mu       sync.Mutex
	open     []string
	rows     []string
	onCommit func(rows int)
	// failAfter is the commit with rows that fails with failure; 0: none does.
	failAfter int
	failure   error // nil is errBrokenPipe
}

var errBrokenPipe = errors.New("broken pipe")

func (c *collector) Write(b *columnar.Batch, _ func(int32, error)) error {
	return eachRow(b, func(_ *columnar.Batch, i int32) error {
		c.open = append(c.open, rowText(b, i))
		return nil
	})
}

func (c *collector) Committed(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failAfter > 0 && len(c.open) > 0 {
		if c.failAfter--; c.failAfter == 0 {
			return cmp.Or(c.failure, errBrokenPipe)
		}
	}
	c.rows = append(c.rows, c.open...)
	c.open = nil
	if c.onCommit != nil {
		c.onCommit(len(c.rows))
	}
	return nil
}

func (c *collector) Aborted()     { c.open = nil }
func (c *collector) Close() error { return nil }

func (c *collector) sorted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(slices.Values(c.rows))
}

// testGraph is mem -> sums -> topic "out" and a collector, with late and error
// rows collected too.
type testGraph struct {
	graph             *dsl.Graph
	sums, late, fails *collector
	op                *windowSum
}

func newTestGraph(name string, src *memSource) *testGraph {
	g := &testGraph{sums: &collector{}, late: &collector{}, fails: &collector{}, op: &windowSum{}}
	mem := &dsl.Node{Name: "mem", Kind: dsl.Source, Verb: "mem", Schema: memSchema, HasEventTime: true,
		Ports: map[string]*columnar.Schema{errorsPort: dsl.ErrorSchema}, OnError: dsl.Policy{Action: dsl.Route},
		EventTime: &dsl.EventTime{Field: "at", OutOfOrder: 500 * time.Microsecond},
		Source:    &connectors.SourcePlan{Schema: memSchema, Bounded: !src.open, New: func(connectors.Env, []string) (connectors.Source, error) { return src, nil }}}
	sums := &dsl.Node{Name: "sums", Kind: dsl.Operator, Verb: "sums", Schema: sumSchema, HasEventTime: true, DecidesLate: true,
		Inputs: [][]dsl.Edge{{{From: mem}}}, OnError: dsl.Policy{Action: dsl.Route},
		Ports: map[string]*columnar.Schema{latePort: memSchema, errorsPort: dsl.ErrorSchema},
		Op: &operators.Plan{Output: sumSchema, Key: [][]string{{"key"}}, StateVersion: 1, StateLayout: "sum",
			Timing: &operators.Timing{FirstEnd: func(t int64) int64 { return (t/window + 1) * window }},
			New:    func() (operators.Operator, error) { op := *g.op; return &op, nil }}}
	sink := func(name string, from dsl.Edge, c *collector) *dsl.Node {
		return &dsl.Node{Name: name, Kind: dsl.Sink, Verb: "collect", Schema: edgeSchema(from), Inputs: [][]dsl.Edge{{from}},
			Sink: &connectors.SinkPlan{AfterCommit: func(connectors.Env) (connectors.AfterCommitSink, error) { return c, nil }}}
	}
	out := &dsl.Node{Name: "out", Kind: dsl.Sink, Verb: "text", Schema: sumSchema, Inputs: [][]dsl.Edge{{{From: sums}}},
		Sink: &connectors.SinkPlan{Topic: "out", Log: func(connectors.Env) (connectors.LogSink, error) { return textSink{"out"}, nil }}}
	g.graph = &dsl.Graph{Name: name, Options: dsl.Options{StatePartitions: 8, EpochMax: 20 * time.Millisecond, Checkpoint: 50 * time.Millisecond, StateMemory: 64 << 20},
		Nodes: []*dsl.Node{mem, sums, out, sink("sums_out", dsl.Edge{From: sums}, g.sums), sink("late_out", dsl.Edge{From: sums, Port: latePort}, g.late),
			sink("errors_out", dsl.Edge{}, g.fails)}}
	return g
}

// expected is what windowSum must yield for rows that are all in time.
func expected(splits [][]memRow) []string {
	sums := map[string]int64{}
	for _, rows := range splits {
		for _, r := range rows {
			sums[fmt.Sprintf("%s %d", r.key, (r.at/window+1)*window)] += r.value
		}
	}
	var all []string
	for k, v := range sums {
		all = append(all, fmt.Sprintf("%s %d", k, v))
	}
	slices.Sort(all)
	return all
}

func openPipeline(t *testing.T, g *testGraph, cluster client.Cluster, dir string) *Pipeline {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	p, err := Open(Options{Graph: g.graph, Cluster: cluster, StateDir: dir, Parallelism: 2, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readTopic is everything committed in a topic's only partition.
func readTopic(t *testing.T, cluster client.Cluster, topic string) []string {
	t.Helper()
	p := &Pipeline{client: client.New(cluster, client.Options{})}
	var rows []string
	err := p.replay(t.Context(), map[client.TopicPartition]int64{{Topic: topic}: 0}, func(_ client.TopicPartition, _, v []byte) error {
		rows = append(rows, string(v))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}
