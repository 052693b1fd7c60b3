package expr

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/operators/columnar"
)

// benchRows are the distinct rows of a benchmark: with fewer, the branch predictor
// learns the data by heart.
const (
	benchRows  = 64 << 10
	benchBatch = 4096
)

// benchBatches are batches of auction bids, 64 k distinct rows.
func benchBatches(tb testing.TB) (*columnar.Schema, []*columnar.Batch) {
	schema := mustSchema(tb, "price int64", "qty int64", "rate float64", "tip float64|null", "channel string", "user string", "at timestamp(ms)", "line string", "payload json")
	r := rand.New(rand.NewSource(1))
	channels := []string{"apple", "google", "facebook", "baidu", "channel-1", "channel-2"}
	var out []*columnar.Batch
	for range benchRows / benchBatch {
		price, qty := array.NewInt64Builder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
		rate, tip := array.NewFloat64Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator)
		channel, user := array.NewStringBuilder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
		at := array.NewTimestampBuilder(memory.DefaultAllocator, arrow.FixedWidthTypes.Timestamp_us.(*arrow.TimestampType))
		line, payload := array.NewStringBuilder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
		for range benchBatch {
			price.Append(r.Int63n(600))
			qty.Append(1 + r.Int63n(9))
			rate.Append(r.Float64())
			if r.Intn(10) == 0 {
				tip.AppendNull()
			} else {
				tip.Append(r.Float64())
			}
			channel.Append(pick(r, channels))
			user.Append(fmt.Sprintf("User%07d", r.Intn(1e6)))
			at.Append(arrow.Timestamp(1767225600000000 + r.Int63n(1e12)))
			line.Append(fmt.Sprintf("Failed password for invalid user u%d from 10.%d.%d.%d port %d ssh2", r.Intn(99), r.Intn(256), r.Intn(256), r.Intn(256), r.Intn(65536)))
			payload.Append(fmt.Sprintf(`{"id": %d, "user": {"name": "u%d", "age": %d}, "tags": ["a", "b"]}`, r.Intn(1e6), r.Intn(1e6), r.Intn(99)))
		}
		out = append(out, &columnar.Batch{Schema: schema, Rows: benchBatch, Cols: []arrow.Array{
			price.NewArray(), qty.NewArray(), rate.NewArray(), tip.NewArray(), channel.NewArray(), user.NewArray(), at.NewArray(), line.NewArray(), payload.NewArray()}})
	}
	return schema, out
}

func BenchmarkFilter(b *testing.B) {
	for _, text := range []string{
		`price > 100`,
		`price > 100 and qty < 3`,
		`channel == "apple"`,
		`channel == "channel-1" or channel == "baidu"`,
		`price * 0.908 > 100 and channel == "apple"`,
		`tip != nil and tip > 0.5`,
		`channel in ["apple", "google", "baidu"]`,
		`line contains "10.7."`,
		`line matches "from 10[.]7[.]"`,
	} {
		b.Run(text, func(b *testing.B) { benchmark(b, text, true) })
	}
}

func BenchmarkRun(b *testing.B) {
	for _, text := range []string{
		`price * qty`,
		`price + 1`,
		`price / 1e6`,
		`rate * 2.0 + tip`,
		`(tip ?? 0.0) * rate`,
		`if price > 300 {rate} else {rate * 0.5}`,
		`truncate(at, "5m")`,
		`hour(at)`,
		`upper(channel)`,
		`user + "@" + channel`,
		`substr(user, 4, 3)`,
		`regex_extract(line, "from (\\S+) port")`,
		`split(line, " ")[8]`,
		`int(payload.user.age)`,
		`string(price)`,
		`count(payload.tags, # == "a")`,
	} {
		b.Run(text, func(b *testing.B) { benchmark(b, text, false) })
	}
}

func benchmark(b *testing.B, text string, filter bool) {
	schema, batches := benchBatches(b)
	p, err := Compile(text, schema, Options{Deterministic: true})
	if err != nil {
		b.Fatal(err)
	}
	e := p.New()
	var sel []int32
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	for i := range b.N {
		batch := batches[i%len(batches)]
		var errs *RowErrors
		if filter {
			sel, errs, err = e.Filter(batch, sel)
		} else {
			_, errs, err = e.Run(batch)
		}
		if err != nil || errs.Len() > 0 {
			b.Fatal(err, errs)
		}
	}
	b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/float64(b.N)/benchBatch, "cpu-ns/row")
}
