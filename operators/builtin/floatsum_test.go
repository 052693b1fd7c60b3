package builtin

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// sumOf runs the values through a floatSum in a table of its own, cutting them into
// epochs at random.
func sumOf(t *testing.T, rng *rand.Rand, task *statestore.Task, values []float64) float64 {
	t.Helper()
	tables, err := task.View("sum").Tables(0, statestore.Layout{Words: floatSumWords + 1, Blobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	const ns = 1
	keys := statestore.Keys{Off: []int32{0, 0}, Hash: []uint64{columnar.HashKey(nil)}, Partition: []int32{0}}
	slots := make([]statestore.Slot, 1)
	buf := columnar.NewBuffer(columnar.Type{Kind: columnar.Float64}, 1)
	for _, v := range values {
		buf.Reset(buf.Type)
		buf.AppendFloat64(v)
		p := part{table: tables.At(ns), rows: []int32{0}, slots: slots}
		if err := p.table.Upsert(&keys, p.rows, slots); err != nil {
			t.Fatal(err)
		}
		var arr arrow.Array = buf.Array()
		if err := (floatSum{}).add(&p, arr); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(5) == 0 {
			task.Commit()
		}
	}
	result := floatSum{}.value(tables.At(ns), slots[0], 1)
	tables.Drop(ns)
	task.Commit()
	return result
}

// TestFloatSumIsExact adds values over the whole range of exponents, around the
// borders of the window above all, in several orders, and compares with rational
// arithmetic.
func TestFloatSumIsExact(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	store, err := statestore.Open(statestore.Options{FS: vfs.NewMem(), Dir: "/s", Identity: statestore.Identity{Partitions: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	task, err := store.Task([]int32{0})
	if err != nil {
		t.Fatal(err)
	}
	for range 1500 {
		values := valuesAround(rng)
		want, _ := exactSum(values).Float64()
		want += 0
		for range 3 {
			rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			if got := sumOf(t, rng, task, values); math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("the sum of %x is %x, want %x", values, got, want)
			}
		}
	}
}

// valuesAround draws values whose exponents are near one, or at the distance at which
// a window ends, or anywhere.
func valuesAround(rng *rand.Rand) []float64 {
	base := rng.IntN(2046)
	values := make([]float64, 1+rng.IntN(40))
	for i := range values {
		exponent := base + rng.IntN(4)
		switch rng.IntN(6) {
		case 0:
			exponent = base + 137 - belowFirst + rng.IntN(5) - 2
		case 1:
			exponent = base - belowFirst + rng.IntN(5) - 2
		case 2:
			exponent = rng.IntN(2046)
		}
		exponent = min(max(exponent, 0), 2046)
		mantissa := rng.Uint64() & (1<<52 - 1)
		if rng.IntN(3) == 0 {
			mantissa = 1<<52 - 1
		}
		values[i] = math.Float64frombits(rng.Uint64N(2)<<63 | uint64(exponent)<<52 | mantissa)
		if i > 0 && rng.IntN(5) == 0 {
			values[i] = -values[rng.IntN(i)]
		}
	}
	return values
}

func exactSum(values []float64) *big.Rat {
	sum := new(big.Rat)
	for _, v := range values {
		sum.Add(sum, new(big.Rat).SetFloat64(v))
	}
	return sum
}

// TestFloatSumFillsItsWindow adds the largest value that fits into the window until
// the window must give way; nothing may be lost at its top.
func TestFloatSumFillsItsWindow(t *testing.T) {
	cell := []uint64{0, 0, 0, 0}
	cell[0] = 500
	v := math.Float64frombits(uint64(500+maxShift)<<52 | (1<<52 - 1))
	added := 0
	for addFast(cell, v) {
		added++
		if added > 1000 {
			t.Fatal("the window never fills")
		}
	}
	if int64(cell[3]) <= 0 {
		t.Fatalf("after %d values the sum has turned negative: %x", added, cell)
	}
	if added < 1 {
		t.Fatal("the value did not fit at all")
	}
}
