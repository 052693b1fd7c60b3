package columnar

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestGatherKeys: keys of all lengths around the size of two words, with and
// without slack behind the source, into memory that is used again.
func TestGatherKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var into Keys
	for range 300 {
		n := rng.IntN(60)
		names := NewBuffer(Type{Kind: String}, n)
		for range n {
			names.AppendString(strings.Repeat("k", rng.IntN(20)))
		}
		b := &Batch{Rows: n}
		b.Cols = append(b.Cols, names.Array())
		var src Keys
		new(KeyEncoder).Encode(b, []int{0}, 16, &src)
		if rng.IntN(2) == 0 {
			src.Data = bytes.Clone(src.Data)[:len(src.Data):len(src.Data)]
		}
		var rows []int32
		for i := range int32(n) {
			if rng.IntN(3) > 0 {
				rows = append(rows, i)
			}
		}
		into.Gather(&src, rows)
		if len(into.Hash) != len(rows) || len(into.Off) != len(rows)+1 || len(into.Partition) != len(rows) {
			t.Fatalf("%d hashes, %d partitions and %d offsets for %d rows", len(into.Hash), len(into.Partition), len(into.Off), len(rows))
		}
		for j, i := range rows {
			if !bytes.Equal(into.Key(int32(j)), src.Key(i)) || into.Hash[j] != src.Hash[i] || into.Partition[j] != src.Partition[i] {
				t.Fatalf("row %d is %q, want %q", j, into.Key(int32(j)), src.Key(i))
			}
		}
		if len(into.Data) != int(into.Off[len(rows)]) {
			t.Fatalf("%d bytes of data, want %d", len(into.Data), into.Off[len(rows)])
		}
	}
}
