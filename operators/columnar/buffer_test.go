package columnar

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestBufferAgainstModel drives a column with random appends, truncations and
// gathers and compares it with a slice of any.
func TestBufferAgainstModel(t *testing.T) {
	for kind := Bool; kind <= JSON; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(kind)))
			b := NewBuffer(Type{Kind: kind, Nullable: true}, 4)
			for range 50 {
				b.Reset(Type{Kind: kind, Nullable: true})
				var model []string
				for range 30 {
					model = step(rng, b, model)
				}
				if got := values(b); fmt.Sprint(got) != fmt.Sprint(model) {
					t.Fatalf("column holds %v, want %v", got, model)
				}
			}
		})
	}
}

func step(rng *rand.Rand, b *Buffer, model []string) []string {
	switch rng.IntN(8) {
	case 0:
		b.AppendNull()
		return append(model, "(null)")
	case 1:
		n := rng.IntN(b.Len() + 1)
		b.Truncate(n)
		return model[:n]
	case 2:
		return gatherStep(rng, b, model)
	}
	v := rng.IntN(1000)
	switch b.Type.Kind {
	case Bool:
		b.AppendBool(v%2 == 0)
		return append(model, fmt.Sprint(v%2 == 0))
	case Float64:
		b.AppendFloat64(float64(v) / 2)
		return append(model, fmt.Sprint(float64(v)/2))
	case Int64, Timestamp:
		b.AppendInt64(int64(v))
	default:
		b.AppendString(fmt.Sprint(v))
	}
	return append(model, fmt.Sprint(v))
}

func gatherStep(rng *rand.Rand, b *Buffer, model []string) []string {
	src := NewBuffer(b.Type, 4)
	var from []string
	for range 5 {
		if rng.IntN(4) == 0 {
			src.AppendNull()
			from = append(from, "(null)")
			continue
		}
		from = step(rand.New(rand.NewPCG(rng.Uint64()|1, 7)), src, from)
		for len(from) != src.Len() {
			panic("model and column differ")
		}
	}
	var sel []int32
	for i := range from {
		if rng.IntN(2) == 0 {
			sel = append(sel, int32(i))
		}
	}
	if sel == nil {
		b.Gather(src.Array(), nil)
		return append(model, from...)
	}
	b.Gather(src.Array(), sel)
	for _, i := range sel {
		model = append(model, from[i])
	}
	return model
}

func values(b *Buffer) []string {
	a := b.Array()
	out := make([]string, a.Len())
	for i := range out {
		switch {
		case a.IsNull(i):
			out[i] = "(null)"
		case b.Type.Kind == Int64 || b.Type.Kind == Timestamp:
			out[i] = fmt.Sprint(b.I64[i])
		case b.Type.Kind == Bytes:
			out[i] = string(b.Data[b.Off[i]:b.Off[i+1]])
		default:
			out[i] = a.ValueStr(i)
		}
	}
	return out
}

func TestParseType(t *testing.T) {
	for _, name := range TypeNames {
		for _, null := range []string{"", "|null"} {
			typ, err := ParseType(name + null)
			if err != nil || typ.String() != name+null {
				t.Errorf("ParseType(%q) = %v, %v", name+null, typ, err)
			}
		}
	}
	for _, bad := range []string{"", "int", "timestamp(h)", "string|nil", "invalid"} {
		if typ, err := ParseType(bad); err == nil {
			t.Errorf("ParseType(%q) = %v, want an error", bad, typ)
		}
	}
}
