package columnar

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

var update = flag.Bool("update", false, "rewrite golden files")

// row is one key as Go values; nil is null.
type row []any

func keyBatch(t testing.TB, types []Type, rows []row, sel []int32) *Batch {
	t.Helper()
	b := &Batch{Rows: len(rows), Sel: sel}
	for c, typ := range types {
		buf := NewBuffer(typ, len(rows))
		for _, r := range rows {
			appendAny(buf, r[c])
		}
		b.Cols = append(b.Cols, buf.Array())
	}
	return b
}

func appendAny(buf *Buffer, v any) {
	switch v := v.(type) {
	case nil:
		buf.AppendNull()
	case bool:
		buf.AppendBool(v)
	case int64:
		buf.AppendInt64(v)
	case float64:
		buf.AppendFloat64(v)
	case string:
		buf.AppendString(v)
	}
}

// compareValues is the order that keys promise.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch a := a.(type) {
	case bool:
		x, y := 0, 0
		if a {
			x = 1
		}
		if b.(bool) {
			y = 1
		}
		return x - y
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		x, y := a, b.(float64)
		switch { // cmp.Compare puts NaN first
		case x != x && y != y:
			return 0
		case x != x:
			return 1
		case y != y:
			return -1
		}
		return cmp.Compare(x, y)
	}
	return strings.Compare(a.(string), b.(string))
}

func randomValue(rng *rand.Rand, k Kind) any {
	if rng.IntN(6) == 0 {
		return nil
	}
	switch k {
	case Bool:
		return rng.IntN(2) == 0
	case Float64:
		return []float64{0, math.Copysign(0, -1), 1, -1, 1.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64,
			math.SmallestNonzeroFloat64, rng.NormFloat64(), -math.SmallestNonzeroFloat64}[rng.IntN(12)]
	case Int64, Timestamp:
		return []int64{0, 1, -1, math.MinInt64, math.MaxInt64, int64(rng.Uint64()), 255, 256}[rng.IntN(8)]
	}
	letters := []string{"\x00", "\x01", "\xff", "a", "b"}
	var s strings.Builder
	for range rng.IntN(12) {
		s.WriteString(letters[rng.IntN(len(letters))])
	}
	return s.String()
}

// TestKeysOrderAndDecode checks, for random schemas, that bytes order as values do,
// that equal values have equal bytes, and that decoding gives the values back.
func TestKeysOrderAndDecode(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	kinds := []Kind{Bool, Int64, Float64, String, Bytes, Timestamp}
	for range 200 {
		types := make([]Type, 1+rng.IntN(3))
		cols := make([]int, len(types))
		for i := range types {
			types[i] = Type{Kind: kinds[rng.IntN(len(kinds))], Nullable: true}
			cols[i] = i
		}
		rows := make([]row, 30)
		var sel []int32
		for i := range rows {
			rows[i] = make(row, len(types))
			for c, typ := range types {
				rows[i][c] = randomValue(rng, typ.Kind)
			}
			if rng.IntN(3) > 0 {
				sel = append(sel, int32(i))
			}
		}
		var keys Keys
		new(KeyEncoder).Encode(keyBatch(t, types, rows, sel), cols, 16, &keys)
		checkKeys(t, types, rows, sel, &keys)
	}
}

func checkKeys(t *testing.T, types []Type, rows []row, sel []int32, keys *Keys) {
	t.Helper()
	into := make([]*Buffer, len(types))
	for c, typ := range types {
		into[c] = NewBuffer(typ, len(sel))
	}
	for n, i := range sel {
		for _, j := range sel {
			want := 0
			for c := range types {
				if want == 0 {
					want = compareValues(rows[i][c], rows[j][c])
				}
			}
			if got := bytes.Compare(keys.Key(i), keys.Key(j)); got != want {
				t.Fatalf("%v and %v of %v: keys compare %d, values %d", rows[i], rows[j], types, got, want)
			}
			if (want == 0) != (keys.Hash[i] == keys.Hash[j]) {
				t.Fatalf("%v and %v: hashes", rows[i], rows[j])
			}
		}
		if err := DecodeKey(keys.Key(i), into); err != nil {
			t.Fatalf("%v: %v", rows[i], err)
		}
		for c := range types {
			if got := valueAt(into[c].Array(), n); compareValues(got, rows[i][c]) != 0 {
				t.Fatalf("decoded %v, want %v", got, rows[i][c])
			}
		}
	}
	for i := range int32(len(rows)) {
		if !contains(sel, i) && len(keys.Key(i)) != 0 {
			t.Fatalf("row %d outside Sel has a key", i)
		}
	}
}

func contains(sel []int32, i int32) bool {
	for _, s := range sel {
		if s == i {
			return true
		}
	}
	return false
}

func valueAt(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case interface{ Value(int) bool }:
		return a.Value(i)
	case interface{ Value(int) int64 }:
		return a.Value(i)
	case interface{ Value(int) arrow.Timestamp }:
		return int64(a.Value(i))
	case interface{ Value(int) float64 }:
		return a.Value(i)
	case interface{ Value(int) string }:
		return a.Value(i)
	case interface{ Value(int) []byte }:
		return string(a.Value(i))
	}
	panic("kind")
}

// TestKeysGolden holds encodings, hashes and partitions against those that stored
// state was written with. A difference is not a diff to accept: it loses the state
// of everyone who upgrades.
func TestKeysGolden(t *testing.T) {
	types := []Type{{Kind: String, Nullable: true}, {Kind: Int64, Nullable: true}, {Kind: Float64, Nullable: true}, {Kind: Bool, Nullable: true}, {Kind: Timestamp, Nullable: true}}
	rows := []row{
		{"ad", int64(7), 1.5, true, int64(1700000000000000)},
		{nil, nil, nil, nil, nil},
		{"", int64(0), math.Copysign(0, -1), false, int64(-1)},
		{"a\x00b", int64(math.MinInt64), math.Inf(-1), true, int64(math.MaxInt64)},
		{"a long key that does not fit into a row", int64(-1), math.NaN(), false, int64(0)},
	}
	var out strings.Builder
	for c := range types {
		var keys Keys
		new(KeyEncoder).Encode(keyBatch(t, types, rows, nil), []int{c}, 64, &keys)
		dumpKeys(&out, fmt.Sprint(types[c]), &keys)
	}
	var keys Keys
	new(KeyEncoder).Encode(keyBatch(t, types, rows, nil), []int{0, 1, 2, 3, 4}, 64, &keys)
	dumpKeys(&out, "all", &keys)
	new(KeyEncoder).Encode(keyBatch(t, types, rows, nil), nil, 16, &keys)
	dumpKeys(&out, "none", &keys)
	for _, n := range []int32{1, 3, 16, 64, 1000, 32767} {
		fmt.Fprintf(&out, "partition of %d:", n)
		for _, h := range []uint64{0, 1 << 31, 1<<32 - 1, 1 << 32, 0x123456789abcdef0, 1 << 63, 1<<64 - 1} {
			fmt.Fprintf(&out, " %d", PartitionOf(h, n))
		}
		fmt.Fprintln(&out)
	}
	const file = "testdata/keys.golden"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("keys are encoded otherwise than stored state has them:\n%s", out.String())
	}
}

func dumpKeys(out *strings.Builder, name string, keys *Keys) {
	for i := range int32(len(keys.Off) - 1) {
		fmt.Fprintf(out, "%s %d: %s hash %016x partition %d\n", name, i, hex.EncodeToString(keys.Key(i)), keys.Hash[i], keys.Partition[i])
	}
}

// FuzzDecodeKey feeds arbitrary bytes to the decoder: it errs or gives values whose
// encoding is the input.
func FuzzDecodeKey(f *testing.F) {
	f.Add([]byte{1, 'a', 0, 1, 0}, uint8(String), uint8(Int64))
	f.Add([]byte{1, 'a', 0, 0xff, 0, 1, 1, 0}, uint8(Bytes), uint8(Bool))
	f.Add(bytes.Repeat([]byte{1}, 18), uint8(Float64), uint8(Timestamp))
	f.Fuzz(func(t *testing.T, key []byte, k1, k2 uint8) {
		types := []Type{{Kind: Kind(k1%7 + 1)}, {Kind: Kind(k2%7 + 1)}}
		into := []*Buffer{NewBuffer(types[0], 1), NewBuffer(types[1], 1)}
		if DecodeKey(key, into) != nil {
			return
		}
		b := &Batch{Rows: 1, Cols: []arrow.Array{into[0].Array(), into[1].Array()}}
		var keys Keys
		new(KeyEncoder).Encode(b, []int{0, 1}, 1, &keys)
		if types[0].Kind == Float64 || types[1].Kind == Float64 {
			return // foreign NaNs and zeros are not canonical
		}
		if !bytes.Equal(keys.Key(0), key) {
			t.Errorf("%x of %v encodes again as %x", key, types, keys.Key(0))
		}
	})
}

func BenchmarkEncodeKeys(b *testing.B) {
	const rows = 4096
	ints, strs := NewBuffer(Type{Kind: Int64}, rows), NewBuffer(Type{Kind: String}, rows)
	for i := range rows {
		ints.AppendInt64(int64(i * 7919))
		strs.AppendString(fmt.Sprintf("campaign-%06d", i*7919%10000))
	}
	batch := &Batch{Rows: rows, Cols: []arrow.Array{ints.Array(), strs.Array()}}
	for _, c := range []struct {
		name string
		cols []int
	}{{"int", []int{0}}, {"string", []int{1}}, {"both", []int{0, 1}}} {
		b.Run(c.name, func(b *testing.B) {
			var e KeyEncoder
			var keys Keys
			b.ReportAllocs()
			for b.Loop() {
				e.Encode(batch, c.cols, 16, &keys)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
