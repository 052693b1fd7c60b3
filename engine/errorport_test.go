package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// refuser is a stateless operator at which every row fails.
type refuser struct{}

var errRefused = errors.New("refused")

func (refuser) Open(*operators.Context) error { return nil }
func (refuser) Process(_ int, b *columnar.Batch, out operators.Output) error {
	return eachRow(b, func(_ *columnar.Batch, row int32) error {
		out.RowError(b, row, errRefused)
		return nil
	})
}
func (refuser) Timer(int32, []byte, int64, operators.Output) error { return nil }
func (refuser) Watermark(int64, operators.Output) error            { return nil }
func (refuser) Close() error                                       { return nil }

// TestErrorRowsThatGoRound: error rows that fail where error rows are read would go
// round for ever.
func TestErrorRowsThatGoRound(t *testing.T) {
	g := newTestGraph("round", &memSource{splits: rowsFor(1, 1, 10), step: 5})
	add := func(name string, from dsl.Edge) *dsl.Node {
		n := &dsl.Node{Name: name, Kind: dsl.Operator, Verb: "refuse", Schema: dsl.ErrorSchema, Inputs: [][]dsl.Edge{{from}},
			OnError: dsl.Policy{Action: dsl.Route}, Ports: map[string]*columnar.Schema{errorsPort: dsl.ErrorSchema},
			Op: &operators.Plan{Output: dsl.ErrorSchema, New: func() (operators.Operator, error) { return refuser{}, nil }}}
		g.graph.Nodes = append(g.graph.Nodes, n)
		return n
	}
	add("any", dsl.Edge{})
	first := add("first", dsl.Edge{From: g.graph.Nodes[0]})
	add("again", dsl.Edge{From: first, Port: errorsPort})
	p := openPipeline(t, g, newCluster(t), t.TempDir())
	defer p.Close()
	var failure *RowFailure
	if err := p.Run(t.Context()); !errors.As(err, &failure) || !errors.Is(err, errRefused) {
		t.Fatalf("Run: %v, want a row failure", err)
	}
}

// TestErrorRowOfPrunedColumns: a row that fails behind an exchange lacks the columns
// that nobody reads.
func TestErrorRowOfPrunedColumns(t *testing.T) {
	c := columnar.NewBuffer(memSchema.Columns[1].Type, 1)
	c.AppendInt64(7)
	b := &columnar.Batch{Schema: memSchema, Rows: 1, Cols: []arrow.Array{nil, c.Array(), nil}}
	if got := string(rowJSON(b, 0)); got != `{"value":7}` {
		t.Error(got)
	}
}

// keyReader is windowSum over a batch whose values were not copied.
type keyReader struct{ windowSum }

func (k *keyReader) Process(_ int, b *columnar.Batch, _ operators.Output) error {
	return eachRow(b, func(_ *columnar.Batch, row int32) error {
		if b.Cols[0].(*array.String).Value(int(row)) == "bad" {
			panic("bad")
		}
		return nil
	})
}

// TestPoisonRowIsWhole: the error row of a row that made an operator fail has all
// of its columns, and no other source's row is taken for it.
func TestPoisonRowIsWhole(t *testing.T) {
	src := &memSource{splits: [][]memRow{{{"good", 1, 10_000}, {"bad", 666, 10_001}}}, step: 5}
	g := newTestGraph("whole", src)
	mem, sums := g.graph.Nodes[0], g.graph.Nodes[1]
	sums.Op.Columns = [][]string{{"key"}}
	sums.Op.New = func() (operators.Operator, error) { return &keyReader{}, nil }
	twin := *mem
	twin.Name = "twin"
	other := &memSource{splits: [][]memRow{{{"good", 1, 10_000}, {"fine", 2, 10_001}}}, step: 5, name: "twin"}
	plan := *mem.Source
	plan.New = func(connectors.Env, []string) (connectors.Source, error) { return other, nil }
	twin.Source = &plan
	g.graph.Nodes = append(g.graph.Nodes, &twin)
	sums.Inputs[0] = append(sums.Inputs[0], dsl.Edge{From: &twin})
	p := openPipeline(t, g, newCluster(t), t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(g.fails.rows) != 1 || !strings.Contains(g.fails.rows[0], `"value":666`) {
		t.Errorf("error rows: %q", g.fails.rows)
	}
}
