package codec

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/columnar"
)

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
		if len(raw) > 14 && raw[13] != 'T' && raw[14] != ':' || bytes.ContainsRune(raw, ',') {
			return "", errTimeText // package time takes hours of one digit and a comma before the fraction
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
	for range 8_000 {
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
