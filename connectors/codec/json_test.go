package codec

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
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

func TestJSONDecode(t *testing.T) {
	const micros = 1_700_000_000_123_000
	tests := []struct {
		schema, value, want string // want begins with ! if it is a part of the error
	}{
		{"a: int64", `{"a":1}`, "1"},
		{"a: int64", " {\n\t\"a\" : -9223372036854775808 }\r\n", "-9223372036854775808"},
		{"a: int64", `{"a":9223372036854775807}`, "9223372036854775807"},
		{"a: int64", `{"a":9223372036854775808}`, "!field a: the number is out of range for int64"},
		{"a: int64", `{"a":-9223372036854775809}`, "!field a: the number is out of range"},
		{"a: int64", `{"a":123456789012345678901234567890}`, "!out of range"},
		{"a: int64", `{"a":1.0}`, "1"},
		{"a: int64", `{"a":12.5e1}`, "125"},
		{"a: int64", `{"a":1e400}`, "!out of range"},
		{"a: int64", `{"a":1.5}`, "!field a: the number has a fraction"},
		{"a: int64", `{"a":01}`, `!"01}" is not an int64`},
		{"a: int64", `{"a":-}`, "!is not an int64"},
		{"a: int64", `{"a":+1}`, "!is not an int64"},
		{"a: int64", `{"a":"1"}`, `!field a: "\"1\"}" is not an int64`},
		{"a: int64", `{"a":null}`, "!field a: null; declare it int64|null"},
		{"a: int64", `{}`, "!field a is missing; declare it int64|null"},
		{"a: int64|null, b: string|null", `{"a":null}`, "null null"},
		{"a: int64|null", `{"a":nul}`, "!is not an int64"},
		{"a: float64", `{"a":0.1}`, "0.1"},
		{"a: float64", `{"a":1e308}`, "1e+308"},
		{"a: float64", `{"a":1e309}`, "!field a: the number is out of range for float64"},
		{"a: float64", `{"a":123456789012345678901234567890}`, "1.2345678901234568e+29"},
		{"a: float64", `{"a":-0}`, "-0"},
		{"a: float64", `{"a":.5}`, "!is not a float64"},
		{"a: float64", `{"a":1.}`, "!is not a float64"},
		{"a: float64", `{"a":2.2250738585072011e-308}`, "2.225073858507201e-308"},
		{"a: bool, b: bool", `{"a":true,"b":false}`, "true false"},
		{"a: bool", `{"a":tru}`, "!is not a bool"},
		{"a: string", `{"a":""}`, `""`},
		{"a: string", `{"a":"häß\u00e4\ud83d\ude00\n\"\\\/"}`, `"häßä😀\n\"\\/"`},
		{"a: string", `{"a":"\ud83dx"}`, "\"\ufffdx\""},
		{"a: string", `{"a":"\x"}`, "!field a: an escape that JSON does not have"},
		{"a: string", "{\"a\":\"\x01\"}", "!field a: a control character"},
		{"a: string", "{\"a\":\"\xff\"}", "!field a: a string is not UTF-8"},
		{"a: string", `{"a":"x`, "!field a: a string is not closed"},
		{"a: string", `{"a":5}`, "!is not a string"},
		{"a: bytes", `{"a":"aGk="}`, "6869"},
		{"a: bytes", `{"a":"a"}`, "!field a: not Base64"},
		{"a: timestamp(ms)", `{"a":1700000000123}`, fmt.Sprint(micros)},
		{"a: timestamp(s)", `{"a":1700000000.123}`, fmt.Sprint(micros)},
		{"a: timestamp(us)", `{"a":1700000000123000}`, fmt.Sprint(micros)},
		{"a: timestamp(ns)", `{"a":1700000000123000999}`, fmt.Sprint(micros)},
		{"a: timestamp(ns)", `{"a":-1}`, "-1"},
		{"a: timestamp(ms)", `{"a":9223372036854775807}`, "!out of range"},
		{"a: timestamp(ms)", `{"a":"2023-11-14T22:13:20.123Z"}`, fmt.Sprint(micros)},
		{"a: timestamp(ms)", `{"a":"2023-11-15T00:13:20.1230009+02:00"}`, fmt.Sprint(micros)},
		{"a: timestamp(ms)", `{"a":"yesterday"}`, `!field a: "\"yesterday\"" is not a time`},
		{"a: timestamp(ms)", `{"a":"2023-02-29T00:00:00Z"}`, "!is not a time"},
		{"a: timestamp(ms)|null", `{"a":null}`, "null"},
		{"a: json, b: json|null", `{"a": {"x": [1, "}"]} ,"b":null}`, `"{\"x\": [1, \"}\"]}" null`},
		{"a: json", `{"a":[1,}`, "!brackets do not match"},
		{"a: json", `{"a":[1,]}`, "!field a: the value is not valid JSON"},
		{"a: int64", `{"a":1,"a":2}`, "1"},
		{"a: int64", `{"\u0061":1}`, "1"},
		{"a: int64", `{"x":{"a":[{}]},"y":"}","a":1,"z":[[],{}]}`, "1"},
		{"a: int64", `{"a":1}}`, "!byte 7: after the object comes"},
		{"a: int64", `{"a":1`, "!byte 6: the document ends too early"},
		{"a: int64", `{"a":1,}`, "!byte 7: a key in quotes is expected"},
		{"a: int64", `{"a" 1}`, "!comes a colon"},
		{"a: int64", `{"a":1 "b":2}`, "!comes , or }"},
		{"a: int64", `{"x":,"a":1}`, "!byte 5: there is no value here"},
		{"a: int64", `[1]`, "!not a JSON object but"},
		{"a: int64", ` `, "!the value is empty"},
		{"a: int64", `{"x":` + strings.Repeat("[", 2000) + `}`, "!nested too deeply"},
		{"a: int64|null", `{"x":{"y":1]}`, "!brackets do not match"},
	}
	for _, test := range tests {
		d := newJSONDecoder(schemaOf(t, test.schema), nil)
		for range 2 { // the second time there is a layout
			err := d.Decode([]byte(test.value))
			got := ""
			if err != nil {
				got = "!" + err.Error()
			}
			if want, bad := strings.CutPrefix(test.want, "!"); bad {
				if err == nil || !strings.Contains(got, want) {
					t.Errorf("%s as %s: %s; want %s", test.value, test.schema, got, test.want)
				}
			} else if rows := rowsOf(d.Flush()); err != nil || len(rows) != 1 || rows[0] != test.want {
				t.Errorf("%s as %s: %v %s; want %s", test.value, test.schema, rows, got, test.want)
			}
		}
	}
}

// TestJSONProjection: columns that are not wanted are nulls and are not parsed.
func TestJSONProjection(t *testing.T) {
	d := newJSONDecoder(schemaOf(t, "a: int64, b: string, c: float64"), []string{"c"})
	for range 3 {
		if err := d.Decode([]byte(`{"a":"not a number","b":7,"c":1.5}`)); err != nil {
			t.Fatal(err)
		}
	}
	if got := rowsOf(d.Flush()); !slices.Equal(got, []string{"null null 1.5", "null null 1.5", "null null 1.5"}) {
		t.Fatalf("decoded %v", got)
	}
	if d.Rows() != 0 {
		t.Errorf("%d rows after Flush", d.Rows())
	}
}

// wideSchema has one column of each type that the oracle knows.
const wideSchema = "i: int64, f: float64|null, s: string, b: bool|null, t: timestamp(ms), j: json|null"

// oracle decodes with encoding/json; ok is false where it refuses the document or
// our rules for values do.
func oracle(value []byte) (row string, ok bool) {
	if !utf8.Valid(value) {
		return "", false
	}
	fields, err := firstOfEach(value)
	if err != nil {
		return "", false
	}
	var cells []string
	add := func(name string, nullable bool, read func(raw []byte) (string, error)) {
		raw, there := fields[name]
		if !there || string(raw) == "null" {
			ok = ok && nullable
			cells = append(cells, "null")
			return
		}
		text, err := read(raw)
		ok = ok && err == nil
		cells = append(cells, text)
	}
	ok = true
	add("i", false, func(raw []byte) (string, error) {
		var v int64
		err := stdjson.Unmarshal(raw, &v)
		return fmt.Sprint(v), err
	})
	add("f", true, func(raw []byte) (string, error) {
		var v float64
		err := stdjson.Unmarshal(raw, &v)
		return fmt.Sprint(v), err
	})
	add("s", false, func(raw []byte) (string, error) {
		var v string
		err := stdjson.Unmarshal(raw, &v)
		return fmt.Sprintf("%q", v), err
	})
	add("b", true, func(raw []byte) (string, error) {
		var v bool
		err := stdjson.Unmarshal(raw, &v)
		return fmt.Sprint(v), err
	})
	add("t", false, func(raw []byte) (string, error) {
		var ms int64
		if stdjson.Unmarshal(raw, &ms) == nil {
			if ms != ms*1000/1000 {
				return "", errRange
			}
			return fmt.Sprint(ms * 1000), nil
		}
		var at time.Time
		err := stdjson.Unmarshal(raw, &at)
		if len(raw) > 14 && raw[13] != 'T' && raw[14] != ':' {
			return "", errTimeText // package time takes hours of one digit
		}
		return fmt.Sprint(at.UnixMicro()), err
	})
	add("j", true, func(raw []byte) (string, error) { return fmt.Sprintf("%q", raw), nil })
	return strings.Join(cells, " "), ok
}

// firstOfEach is the fields of an object, of duplicates the first.
func firstOfEach(value []byte) (map[string]stdjson.RawMessage, error) {
	dec := stdjson.NewDecoder(bytes.NewReader(value))
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open != stdjson.Delim('{') {
		return nil, fmt.Errorf("not an object")
	}
	fields := map[string]stdjson.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var raw stdjson.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if _, dup := fields[key.(string)]; !dup {
			fields[key.(string)] = raw
		}
	}
	if !stdjson.Valid(value) {
		return nil, fmt.Errorf("invalid")
	}
	return fields, nil
}

// compare decodes a value by both paths and by the oracle. Where the oracle
// accepts, so must we, with the same row; what we accept without skipping
// anything must be valid JSON.
func compare(t *testing.T, schema *columnar.Schema, value []byte) {
	t.Helper()
	general, learned := newJSONDecoder(schema, nil), newJSONDecoder(schema, nil)
	errGeneral := general.Decode(value)
	_ = learned.Decode(value) // teaches the layout, if it can
	errLearned := learned.Decode(value)
	if fmt.Sprint(errGeneral) != fmt.Sprint(errLearned) {
		t.Fatalf("%q: general %v, learned %v", value, errGeneral, errLearned)
	}
	want, ok := oracle(value)
	if errGeneral != nil {
		if ok {
			t.Fatalf("%q: refused (%v), want %s", value, errGeneral, want)
		}
		return
	}
	got, again := rowsOf(general.Flush()), rowsOf(learned.Flush())
	if got[0] != again[0] || got[0] != again[1] {
		t.Fatalf("%q: general %v, learned %v", value, got, again)
	}
	if ok && got[0] != want {
		t.Fatalf("%q: decoded %s, want %s", value, got[0], want)
	}
}

var jsonSeeds = []string{
	`{"i":1,"f":1.5,"s":"x","b":true,"t":1700000000000,"j":{"a":[1,2]}}`,
	`{"s":"\u00e4\ud83d\ude00","t":"2026-01-31T10:00:00.25+01:00","i":-5}`,
	` { "i" : 9223372036854775807 , "s" : "" , "t" : 0 , "x" : [ { } , "]" ] } `,
	`{"i":1,"i":2,"s":"a","s":5,"t":1}`,
	`{"i":1e2,"f":1e400,"s":"\x","t":"2026-13-01T00:00:00Z"}`,
	`{"i":1,"s":"a","t":1,"j":null,"f":null,"b":null}`,
}

func FuzzJSONDecode(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s))
	}
	schema := schemaOf(f, wideSchema)
	f.Fuzz(func(t *testing.T, value []byte) { compare(t, schema, value) })
}

// TestJSONAgainstEncodingJSON makes random documents, valid and damaged.
func TestJSONAgainstEncodingJSON(t *testing.T) {
	rng := random(t)
	schema := schemaOf(t, wideSchema)
	for range 20_000 {
		value := randomDocument(rng)
		if rng.IntN(3) == 0 && len(value) > 0 { // damage it
			switch i := rng.IntN(len(value)); rng.IntN(3) {
			case 0:
				value[i] = byte(rng.IntN(256))
			case 1:
				value = append(value[:i], value[i+1:]...)
			case 2:
				value = value[:i]
			}
		}
		compare(t, schema, value)
	}
}

func randomDocument(rng *rand.Rand) []byte {
	space := func() string { return []string{"", "", "", " ", "\n", "\t "}[rng.IntN(6)] }
	names := []string{"i", "f", "s", "b", "t", "j", "x", "y\\u0041", "i"}
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var b strings.Builder
	b.WriteString(space() + "{" + space())
	for i, n := range names[:rng.IntN(len(names)+1)] {
		if i > 0 {
			b.WriteString(space() + "," + space())
		}
		fmt.Fprintf(&b, `"%s"%s:%s%s`, n, space(), space(), randomValue(rng, n))
	}
	b.WriteString(space() + "}" + space())
	return []byte(b.String())
}

func randomValue(rng *rand.Rand, name string) string {
	if rng.IntN(8) == 0 {
		name = []string{"i", "f", "s", "b", "t", "j", "null"}[rng.IntN(7)]
	}
	switch name {
	case "i":
		return fmt.Sprint(rng.Int64N(1<<uint(1+rng.IntN(62))) * int64(1-2*rng.IntN(2)))
	case "f":
		return []string{fmt.Sprint(rng.NormFloat64()), fmt.Sprintf("%.3e", rng.ExpFloat64()), fmt.Sprint(rng.IntN(1000)), "1E+3", "0.1e-7"}[rng.IntN(5)]
	case "s":
		var runes []rune
		for range rng.IntN(20) {
			runes = append(runes, []rune{'a', ' ', '"', '\\', '\n', 'ä', '😀', 0x7f, 0}[rng.IntN(9)])
		}
		text, _ := stdjson.Marshal(string(runes))
		return string(text)
	case "b":
		return fmt.Sprint(rng.IntN(2) == 0)
	case "t":
		ms := rng.Int64N(4e12) - 1e12
		if rng.IntN(2) == 0 {
			return fmt.Sprint(ms)
		}
		return `"` + time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) + `"`
	case "null":
		return "null"
	}
	return []string{`{}`, `[1,"]",{"a":null}]`, `"\ud800"`, `{"a": {"b" :[ ]}}`, `-0.0`, `true`}[rng.IntN(6)]
}

// TestJSONLayoutsMix: rows of changing layouts, with bad ones between, come out
// as if each were alone, whatever the batch borders.
func TestJSONLayoutsMix(t *testing.T) {
	rng := random(t)
	schema := schemaOf(t, wideSchema)
	mixed := newJSONDecoder(schema, nil)
	var got, want []string
	for range 5000 {
		value := randomDocument(rng)
		if rng.IntN(2) == 0 {
			value = []byte(jsonSeeds[rng.IntN(2)])
		}
		alone := newJSONDecoder(schema, nil)
		if err := alone.Decode(value); (err == nil) != (mixed.Decode(value) == nil) {
			t.Fatalf("%q: alone %v", value, err)
		}
		want = append(want, rowsOf(alone.Flush())...)
		if rng.IntN(20) == 0 {
			got = append(got, rowsOf(mixed.Flush())...)
		}
	}
	got = append(got, rowsOf(mixed.Flush())...)
	if !slices.Equal(got, want) {
		t.Fatal("rows differ from those decoded alone")
	}
}

func TestJSONNeedsASchema(t *testing.T) {
	f, _ := Lookup("json")
	if _, err := f.Schema(nil, spec.Config{}); err == nil || !strings.Contains(err.Error(), "needs a schema") {
		t.Fatalf("got %v", err)
	}
}

// event is about 200 bytes with 8 fields, as in the benchmarks of docs/performance.md.
func event(rng *rand.Rand) []byte {
	return fmt.Appendf(nil, `{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/item.htm?query=%d","dateTime":%d,"extra":"%s","flag":true}`,
		1000+rng.IntN(100), 2000+rng.IntN(1000), rng.IntN(10_000_000), []string{"apple", "google", "baidu", "channel-9"}[rng.IntN(4)],
		rng.IntN(10), 1_700_000_000_000+rng.IntN(1e9), strings.Repeat("x", 20+rng.IntN(20)))
}

const eventSchema = "auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: timestamp(ms), extra: string, flag: bool"

func events(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, n)
	for i := range all {
		all[i] = event(rng)
	}
	return all
}

func TestJSONDecodeDoesNotAllocate(t *testing.T) {
	all := events(1000)
	d := newJSONDecoder(schemaOf(t, eventSchema), nil)
	decode := func() {
		for _, v := range all {
			if err := d.Decode(v); err != nil {
				t.Fatal(err)
			}
		}
		d.Flush()
	}
	decode()
	if n := testing.AllocsPerRun(10, decode); n > 60 { // the arrays of a batch
		t.Errorf("%v allocations for 1000 rows", n)
	}
}

func BenchmarkJSONDecode(b *testing.B) {
	all := events(1 << 16)
	for _, bench := range []struct {
		name    string
		want    []string
		learned bool
	}{
		{"4of8", []string{"auction", "price", "channel", "dateTime"}, true},
		{"8of8", nil, true},
		{"general4of8", []string{"auction", "price", "channel", "dateTime"}, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := newJSONDecoder(schemaOf(b, eventSchema), bench.want)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if !bench.learned {
					d.layout.known = false
				}
				if err := d.Decode(all[i&(1<<16-1)]); err != nil {
					b.Fatal(err)
				}
				if i++; i%4096 == 0 {
					d.Flush()
				}
			}
		})
	}
}
