package generate

import (
	"math"
	"strings"
	"time"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// fieldSpec is what may stand in one entry of `fields`.
var fieldSpec = []spec.Field{
	{Name: "name", Type: spec.String, Required: true, Doc: "the column's name"},
	{Name: "kind", Type: spec.Enum, Required: true, Values: []string{"sequence", "int", "float", "bool", "choice", "name", "time"}, Doc: "how values are made"},
	{Name: "min", Type: spec.Float, Doc: "int, float: the least value"},
	{Name: "max", Type: spec.Float, Doc: "int, float: the greatest value"},
	{Name: "values", Type: spec.Names, Doc: "choice: the values"},
	{Name: "skew", Type: spec.Float, Min: "0", Doc: "choice, name: above 0, the first values are more frequent (the exponent of a power law)"},
	{Name: "prefix", Type: spec.String, Doc: "name: text before the number"},
	{Name: "count", Type: spec.Int, Min: "1", Default: "100", Doc: "name: how many different values"},
	{Name: "probability", Type: spec.Float, Min: "0", Max: "1", Default: "0.5", Doc: "bool: the share of true"},
	{Name: "nulls", Type: spec.Float, Min: "0", Max: "1", Doc: "the share of nulls; above 0 the column is nullable"},
	{Name: "start", Type: spec.String, Default: "2026-01-01T00:00:00Z", Doc: "time: that of the first row, RFC 3339"},
	{Name: "step", Type: spec.Duration, Default: "1ms", Doc: "time: from row to row"},
	{Name: "jitter", Type: spec.Duration, Doc: "time: rows are set back by up to this"},
	{Name: "late", Type: spec.Float, Min: "0", Max: "1", Doc: "time: the share of rows that are set back by late_by too"},
	{Name: "late_by", Type: spec.Duration, Default: "1m", Doc: "time: how far"},
}

// field makes the values of one column.
type field struct {
	name  string
	typ   columnar.Type
	nulls float64
	value func(c *columnar.Buffer, rng *rng, row int64)
}

func (f *field) append(c *columnar.Buffer, rng *rng, row int64) {
	if f.nulls > 0 && rng.float() < f.nulls {
		c.AppendNull()
		return
	}
	f.value(c, rng, row)
}

func parseField(cfg spec.Config) (field, *spec.Error) {
	f := field{name: cfg.Get("name").Text, nulls: cfg.Get("nulls").Float}
	f.typ.Nullable = f.nulls > 0
	var err *spec.Error
	switch cfg.Get("kind").Text {
	case "sequence":
		f.typ.Kind = columnar.Int64
		f.value = func(c *columnar.Buffer, _ *rng, row int64) { c.AppendInt64(row) }
	case "int":
		f.typ.Kind = columnar.Int64
		f.value, err = ints(cfg)
	case "float":
		f.typ.Kind = columnar.Float64
		f.value, err = floats(cfg)
	case "bool":
		f.typ.Kind = columnar.Bool
		p := cfg.Get("probability").Float
		f.value = func(c *columnar.Buffer, rng *rng, _ int64) { c.AppendBool(rng.float() < p) }
	case "choice":
		f.typ.Kind = columnar.String
		f.value, err = choice(cfg)
	case "name":
		f.typ.Kind = columnar.String
		f.value = names(cfg)
	case "time":
		f.typ.Kind = columnar.Timestamp
		f.value, err = times(cfg)
	}
	return f, err
}

type valueFunc = func(c *columnar.Buffer, rng *rng, row int64)

func ints(cfg spec.Config) (valueFunc, *spec.Error) {
	low, high, err := bounds(cfg)
	if err != nil {
		return nil, err
	}
	if low != math.Trunc(low) || high != math.Trunc(high) || math.Abs(low) > 1<<53 || math.Abs(high) > 1<<53 {
		return nil, spec.Errorf(cfg.Get("min").Pos, "bad-bounds", "min and max of an int must be whole numbers up to 2^53")
	}
	span := uint64(int64(high)-int64(low)) + 1
	return func(c *columnar.Buffer, rng *rng, _ int64) { c.AppendInt64(int64(low) + int64(rng.next()%span)) }, nil
}

func floats(cfg spec.Config) (valueFunc, *spec.Error) {
	low, high, err := bounds(cfg)
	return func(c *columnar.Buffer, rng *rng, _ int64) { c.AppendFloat64(low + rng.float()*(high-low)) }, err
}

func bounds(cfg spec.Config) (low, high float64, err *spec.Error) {
	low, high = cfg.Get("min").Float, cfg.Get("max").Float
	if !cfg.Get("max").Set {
		return 0, 0, spec.Errorf(cfg.Pos, "missing-key", "field %s needs max", cfg.Get("name").Text)
	}
	if low > high {
		return 0, 0, spec.Errorf(cfg.Get("min").Pos, "bad-bounds", "min %v is above max %v", low, high)
	}
	return low, high, nil
}

func choice(cfg spec.Config) (valueFunc, *spec.Error) {
	var values []string
	for _, v := range cfg.Get("values").Names {
		values = append(values, v.Text)
	}
	if len(values) == 0 {
		return nil, spec.Errorf(cfg.Pos, "missing-key", "field %s needs values", cfg.Get("name").Text)
	}
	pick := picker(len(values), cfg.Get("skew").Float)
	return func(c *columnar.Buffer, rng *rng, _ int64) { c.AppendString(values[pick(rng)]) }, nil
}

func names(cfg spec.Config) valueFunc {
	n := int(cfg.Get("count").Int)
	prefix := cfg.Get("prefix").Text
	pick := picker(n, cfg.Get("skew").Float)
	return func(c *columnar.Buffer, rng *rng, _ int64) {
		c.Data = append(c.Data, prefix...)
		c.Data = appendInt(c.Data, pick(rng))
		c.Off = append(c.Off, int32(len(c.Data)))
		c.SetLen(c.Len() + 1)
	}
}

// picker chooses an index below n: uniformly, or by a power law whose density at
// index i falls as (i+1)^-skew.
func picker(n int, skew float64) func(*rng) int {
	if skew == 0 {
		return func(rng *rng) int { return int(rng.next() % uint64(n)) }
	}
	if skew == 1 {
		top := math.Log(float64(n + 1))
		return func(rng *rng) int { return min(n-1, int(math.Exp(rng.float()*top))-1) }
	}
	exp := 1 - skew
	top := math.Pow(float64(n+1), exp)
	return func(rng *rng) int {
		u := rng.float()
		return max(0, min(n-1, int(math.Pow(1+u*(top-1), 1/exp))-1))
	}
}

func times(cfg spec.Config) (valueFunc, *spec.Error) {
	start, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(cfg.Get("start").Text))
	if err != nil {
		return nil, spec.Errorf(cfg.Get("start").Pos, "bad-time", "%q is not a time such as 2026-01-31T12:00:00Z", cfg.Get("start").Text)
	}
	step, jitter := cfg.Get("step").Duration.Microseconds(), cfg.Get("jitter").Duration.Microseconds()
	late, lateBy := cfg.Get("late").Float, cfg.Get("late_by").Duration.Microseconds()
	first := start.UnixMicro()
	return func(c *columnar.Buffer, rng *rng, row int64) {
		t := first + row*step
		if jitter > 0 {
			t -= int64(rng.next() % uint64(jitter+1))
		}
		if late > 0 && rng.float() < late {
			t -= lateBy
		}
		c.AppendInt64(t)
	}, nil
}

func appendInt(dst []byte, n int) []byte {
	if n >= 10 {
		dst = appendInt(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}

// rng is splitmix64: a row has its own, seeded by the row's number, so that rows
// can be made in any order and from any position.
type rng struct{ state uint64 }

func random(seed, row uint64) rng {
	r := rng{seed*0x9E3779B97F4A7C15 ^ row*0xD1342543DE82EF95}
	r.next()
	return r
}

func (r *rng) next() uint64 {
	r.state += 0x9E3779B97F4A7C15
	z := r.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// float is in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }
