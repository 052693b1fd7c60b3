// Package connectortest is the conformance suite of connectors: what every source
// and sink must do whatever it talks to. A connector's own tests call it.
//
//	func TestConformance(t *testing.T) {
//		connectortest.TestSource(t, connectortest.Source{New: func(t *testing.T) connectors.Source { … }})
//	}
//
// Its random choices are printed with their seed; -connectortest.seed repeats
// them.
package connectortest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/columnar"
)

var seedFlag = flag.Uint64("connectortest.seed", 0, "seed of the conformance suite; 0 draws one")

func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (run with -connectortest.seed %d to repeat)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Rows makes a batch of one int64 column named n with the given values, for the
// Batch of a sink under test.
func Rows(n ...int) *columnar.Batch {
	schema := NumberSchema()
	col := columnar.NewBuffer(schema.Columns[0].Type, len(n))
	for _, v := range n {
		col.AppendInt64(int64(v))
	}
	b := &columnar.Batch{Schema: schema, Rows: len(n)}
	b.Cols = append(b.Cols, col.Array())
	return b
}

// NumberSchema is the schema of Rows.
func NumberSchema() *columnar.Schema {
	s, err := columnar.NewSchema(columnar.Column{Name: "n", Type: columnar.Type{Kind: columnar.Int64}})
	if err != nil {
		panic(err) // one column has no duplicate
	}
	return s
}

// numbers hands out rows that were never written before, so that each can be
// told from all others.
type numbers struct{ next int }

// batch is a batch of up to 20 fresh rows, some of which a selection leaves out;
// written are those that exist.
func (n *numbers) batch(rng *rand.Rand) (b *columnar.Batch, written []int) {
	var all []int
	for range rng.IntN(20) {
		all = append(all, n.next)
		n.next++
	}
	b = Rows(all...)
	if rng.IntN(2) == 0 {
		return b, all
	}
	sel := []int32{}
	for i, v := range all {
		if rng.IntN(3) > 0 {
			sel = append(sel, int32(i))
			written = append(written, v)
		}
	}
	return b.Select(sel), written
}

// row is a row of a batch as text.
func row(b *columnar.Batch, i int) string {
	cells := make([]string, len(b.Cols))
	for c, col := range b.Cols {
		cells[c] = fmt.Sprintf("%q", col.ValueStr(i))
	}
	return strings.Join(cells, " ")
}
