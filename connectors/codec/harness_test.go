package codec

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
)

// schemaOf reads a schema as a pipeline writes it: "ad: string, at: timestamp(ms)".
func schemaOf(t testing.TB, text string) *columnar.Schema {
	t.Helper()
	var cols []columnar.Column
	for _, part := range strings.Split(text, ",") {
		name, typ, _ := strings.Cut(part, ":")
		parsed, err := columnar.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		cols = append(cols, columnar.Column{Name: strings.TrimSpace(name), Type: parsed})
	}
	s, err := columnar.NewSchema(cols...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cell is a value of a column as text, times in microseconds.
func cell(a arrow.Array, row int) string {
	if a.IsNull(row) {
		return "null"
	}
	switch a := a.(type) {
	case *array.Int64:
		return fmt.Sprint(a.Value(row))
	case *array.Timestamp:
		return fmt.Sprint(int64(a.Value(row)))
	case *array.Float64:
		return fmt.Sprint(a.Value(row))
	case *array.Boolean:
		return fmt.Sprint(a.Value(row))
	case *array.String:
		return fmt.Sprintf("%q", a.Value(row))
	case *array.Binary:
		return fmt.Sprintf("%x", a.Value(row))
	}
	return "?"
}

func rowsOf(b *columnar.Batch) []string {
	var rows []string
	for row := range b.Rows {
		var cells []string
		for _, c := range b.Cols {
			cells = append(cells, cell(c, row))
		}
		rows = append(rows, strings.Join(cells, " "))
	}
	return rows
}

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 draws one")

// random is a generator whose seed is in the log of a failing test.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (run with -seed %d to repeat)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}
