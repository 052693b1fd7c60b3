package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators/columnar"
)

func testSource(rows, splits int64) *source {
	o := &options{name: "gen", rows: rows, splits: splits, seed: 7}
	o.fields = []field{
		{name: "n", typ: columnar.Type{Kind: columnar.Int64}, value: func(c *columnar.Buffer, _ *rng, row int64) { c.AppendInt64(row) }},
		{name: "r", typ: columnar.Type{Kind: columnar.Int64, Nullable: true}, nulls: 0.2, value: func(c *columnar.Buffer, r *rng, _ int64) { c.AppendInt64(int64(r.next() % 1000)) }},
	}
	o.schema, _ = columnar.NewSchema(columnar.Column{Name: "n", Type: o.fields[0].typ}, columnar.Column{Name: "r", Type: o.fields[1].typ})
	return &source{o}
}

// readAll reads a split from a position, reopening it after every read if asked.
func readAll(t *testing.T, s *source, split connectors.Split, reopen bool) []string {
	t.Helper()
	var rows []string
	var pos []byte
	r, err := s.Open(t.Context(), split, nil)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rd, err := r.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range rd.Batch.Rows {
			rows = append(rows, fmt.Sprint(rd.Batch.Cols[0].ValueStr(i), " ", rd.Batch.Cols[1].ValueStr(i), " @", rd.Batch.Pos.Offset[i]))
		}
		pos = append(pos[:0], rd.Next...)
		if reopen {
			r.Close()
			if r, err = s.Open(t.Context(), split, pos); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestPositionsGoOn: whatever is read from a position is what would have come
// next without the interruption.
func TestPositionsGoOn(t *testing.T) {
	s := testSource(10_000, 3)
	splits, _ := s.Splits(context.Background())
	total := 0
	seen := map[string]bool{}
	for _, split := range splits {
		once, again := readAll(t, s, split, false), readAll(t, s, split, true)
		if fmt.Sprint(once) != fmt.Sprint(again) {
			t.Fatalf("split %s: reopening changed the rows", split.ID)
		}
		total += len(once)
		for _, row := range once {
			var n int
			fmt.Sscan(row, &n)
			seen[fmt.Sprint(n)] = true
		}
	}
	if total != 10_000 || len(seen) != 10_000 {
		t.Errorf("%d rows, %d different ones, want 10000", total, len(seen))
	}
}

func TestPickerStaysInRange(t *testing.T) {
	for _, skew := range []float64{0, 0.5, 1, 1.2, 3} {
		pick := picker(10, skew)
		var counts [10]int
		r := random(1, 1)
		for range 20_000 {
			counts[pick(&r)]++
		}
		for i, n := range counts {
			if n == 0 {
				t.Errorf("skew %v never picks %d: %v", skew, i, counts)
			}
		}
		if skew > 0 && counts[0] < 2*counts[9] {
			t.Errorf("skew %v is hardly skewed: %v", skew, counts)
		}
	}
}
