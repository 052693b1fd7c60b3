package codec

import (
	stdjson "encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
)

// batchOf makes a batch of one row per list of values; nil is null.
func batchOf(schema *columnar.Schema, rows ...[]any) *columnar.Batch {
	b := &columnar.Batch{Schema: schema, Rows: len(rows)}
	for i, c := range schema.Columns {
		col := columnar.NewBuffer(c.Type, len(rows))
		for _, row := range rows {
			switch v := row[i].(type) {
			case nil:
				col.AppendNull()
			case int:
				col.AppendInt64(int64(v))
			case int64:
				col.AppendInt64(v)
			case float64:
				col.AppendFloat64(v)
			case bool:
				col.AppendBool(v)
			case string:
				col.AppendString(v)
			}
		}
		b.Cols = append(b.Cols, col.Array())
	}
	return b
}

func encodeAll(t *testing.T, e Encoder, b *columnar.Batch) []string {
	t.Helper()
	var rows []string
	for row := range int32(b.Rows) {
		text, err := e.Encode([]byte("> "), b, row)
		if err != nil {
			if string(text) != "> " {
				t.Errorf("after %v the destination holds %q", err, text)
			}
			rows = append(rows, "!"+err.Error())
			continue
		}
		rows = append(rows, strings.TrimPrefix(string(text), "> "))
	}
	return rows
}

func TestJSONEncode(t *testing.T) {
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC).UnixMicro()
	schema := schemaOf(t, "i: int64|null, f: float64|null, s: string|null, b: bool|null, y: bytes|null, t: timestamp|null, j: json|null")
	b := batchOf(schema,
		[]any{math.MinInt64, 0.1, "plain", true, "hi", at, `{"a": 1}`},
		[]any{0, 1e21, "q\" \\ \n \x01 ä😀 \xff", false, "", at + 500_000, "[1,\n 2]"},
		[]any{nil, nil, nil, nil, nil, nil, nil},
		[]any{1, -0.5, "", true, "x", at + 1, `"s"`},
		[]any{1, math.NaN(), "", true, "x", at, `1`},
		[]any{1, math.Inf(1), "", true, "x", at, `1`},
		[]any{1, 3.0, "", true, "x", int64(math.MaxInt64), `1`},
		[]any{1, 123456789.0, "<&>", true, "x", -62167219200000000, `1`},
	)
	want := []string{
		`{"i":-9223372036854775808,"f":0.1,"s":"plain","b":true,"y":"aGk=","t":"2026-01-31T10:00:00Z","j":{"a": 1}}`,
		`{"i":0,"f":1e+21,"s":"q\" \\ \n \u0001 ä😀 ` + "\ufffd" + `","b":false,"y":"","t":"2026-01-31T10:00:00.5Z","j":[1,2]}`,
		`{"i":null,"f":null,"s":null,"b":null,"y":null,"t":null,"j":null}`,
		`{"i":1,"f":-0.5,"s":"","b":true,"y":"eA==","t":"2026-01-31T10:00:00.000001Z","j":"s"}`,
		"!column f: NaN and infinities have no notation in this format",
		"!column f: NaN and infinities have no notation in this format",
		"!column t: a time outside of the years 0 to 9999",
		`{"i":1,"f":123456789,"s":"<&>","b":true,"y":"eA==","t":"0000-01-01T00:00:00Z","j":1}`,
	}
	got := encodeAll(t, newJSONEncoder(schema), b)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d: %s\nwant   %s", i, got[i], want[i])
		}
	}
}

// TestJSONRoundTrip: what the encoder writes the decoder reads back, and
// encoding/json agrees that it is JSON.
func TestJSONRoundTrip(t *testing.T) {
	rng := random(t)
	schema := schemaOf(t, "i: int64|null, f: float64|null, s: string|null, b: bool|null, y: bytes|null, t: timestamp(us)|null")
	var rows [][]any
	for range 3000 {
		row := randomRow(rng)
		for i := range row {
			if rng.IntN(6) == 0 {
				row[i] = nil
			}
		}
		rows = append(rows, row)
	}
	b := batchOf(schema, rows...)
	e, d := newJSONEncoder(schema), newJSONDecoder(schema, nil)
	for row := range int32(b.Rows) {
		text, err := e.Encode(nil, b, row)
		if err != nil {
			t.Fatal(err)
		}
		if !stdjson.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		if err := d.Decode(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if got, want := rowsOf(d.Flush()), rowsOf(b); !slices.Equal(got, want) {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("row %d came back as %s, was %s", i, got[i], want[i])
			}
		}
	}
}

func randomRow(rng *rand.Rand) []any {
	text := make([]rune, rng.IntN(30))
	for i := range text {
		text[i] = []rune{'a', 'b', ' ', '"', '\\', '\n', 0x1f, 'ß', '€', '😀', ',', ';'}[rng.IntN(12)]
	}
	return []any{
		int64(rng.Uint64()) >> rng.IntN(64),
		math.Float64frombits(rng.Uint64()&^(1<<62) | uint64(rng.IntN(2))<<62&^(0x7ff<<52)),
		string(text), rng.IntN(2) == 0, fmt.Sprint(rng.Uint32()),
		minTime + rng.Int64N(endTime-minTime),
	}
}

func TestEncodeFollowsTheBatch(t *testing.T) {
	schema := schemaOf(t, "a: string")
	e := newJSONEncoder(schema)
	col := columnar.NewBuffer(schema.Columns[0].Type, 1)
	b := &columnar.Batch{Schema: schema, Rows: 1}
	for _, v := range []string{"one", "another"} { // the same batch and buffer, reused
		col.Reset(col.Type)
		col.AppendString(v)
		b.Cols = []arrow.Array{col.Array()}
		if text, err := e.Encode(nil, b, 0); err != nil || string(text) != `{"a":"`+v+`"}` {
			t.Fatalf("%s, %v", text, err)
		}
	}
}

func BenchmarkJSONEncode(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	schema := schemaOf(b, "auction: int64, price: float64, channel: string, at: timestamp")
	var rows [][]any
	for range 4096 {
		rows = append(rows, []any{rng.IntN(10000), float64(rng.IntN(1e6)) / 100, "channel-9", 1_700_000_000_000_000 + rng.Int64N(1e9)})
	}
	batch := batchOf(schema, rows...)
	e := newJSONEncoder(schema)
	var dst []byte
	b.ReportAllocs()
	i := int32(0)
	for b.Loop() {
		dst, _ = e.Encode(dst[:0], batch, i&4095)
		i++
	}
}
