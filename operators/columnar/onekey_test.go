package columnar

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOneKeyIsTheSameKey: the short way for one column gives what the general way,
// which several columns take, gives.
func TestOneKeyIsTheSameKey(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		kind := []Kind{Int64, String}[rng.IntN(2)]
		nulls, nuls := rng.IntN(3) == 0, rng.IntN(3) == 0
		buf := NewBuffer(Type{Kind: kind, Nullable: true}, 20)
		var sel []int32
		for i := range 1 + rng.IntN(20) {
			v := randomValue(rng, kind)
			if s, ok := v.(string); ok && !nuls {
				v = string(slices.DeleteFunc([]byte(s), func(c byte) bool { return c == 0 }))
			}
			if v == nil && !nulls {
				v = map[Kind]any{Int64: int64(3), String: ""}[kind]
			}
			appendAny(buf, v)
			if rng.IntN(2) == 0 {
				sel = append(sel, int32(i))
			}
		}
		b := &Batch{Rows: buf.Len(), Sel: sel}
		b.Cols = append(b.Cols, buf.Array())
		var e KeyEncoder
		var want Keys
		rows := e.rows(b)
		e.measure(b, []int{0}, rows, &want)
		e.write(b.Cols[0], rows, want.Data)
		var got Keys
		e.Encode(b, []int{0}, 7, &got)
		if !slices.Equal(got.Off, want.Off) || !slices.Equal(got.Data, want.Data) {
			t.Fatalf("%v of %v: %x %v, want %x %v", sel, b.Cols[0], got.Data, got.Off, want.Data, want.Off)
		}
		for _, i := range rows {
			if h := HashKey(want.Key(i)); got.Hash[i] != h || got.Partition[i] != PartitionOf(h, 7) {
				t.Fatalf("row %d: hash %x, partition %d", i, got.Hash[i], got.Partition[i])
			}
		}
	}
}
