package codec

import (
	stdcsv "encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/spec"
)

func csvConfig(delimiter string, header bool) spec.Config {
	return spec.Config{Values: map[string]spec.Value{
		"delimiter": {Type: spec.String, Text: delimiter},
		"header":    {Type: spec.Boolean, Bool: header},
	}}
}

func TestCSVDecode(t *testing.T) {
	const schema = "i: int64|null, s: string|null, t: timestamp(s), b: bool|null"
	tests := []struct{ header, line, want string }{
		{"", `1,x,5,true`, `1 "x" 5000000 true`},
		{"", "1,x,5,true\r\n", `1 "x" 5000000 true`},
		{"", `,,2026-01-31T10:00:00Z,`, `null null 1769853600000000 null`},
		{"", `1,"",5,false`, `1 "" 5000000 false`},
		{"", `1,"a ""b"", c` + "\n" + `d",5,false`, `1 "a \"b\", c\nd" 5000000 false`},
		{"", `1,x,5`, "!the row has 3 fields, not 4"},
		{"", `1,x,5,true,`, "!the row has 5 fields, not 4"},
		{"", `1.5,x,5,true`, `!field i: "1.5" is not a whole number`},
		{"", `one,x,5,true`, `!field i: "one" is not a number`},
		{"", `1,x,,true`, `!field t: "" is not a time`},
		{"", `1,x,5,maybe`, `!field b: "maybe" is neither true nor false`},
		{"", `1,"x,5,true`, "!field 2: a string is not closed"},
		{"", `1,x"y,5,true`, "!field 2: a quote within a field"},
		{"", `1,"x"y,5,true`, "!field 2: text after the closing quote"},
		{"", "1,\xff,5,true", "!not UTF-8"},
		{"\ufefft,other,s\n", `5,zzz,x`, `null "x" 5000000 null`},
		{"s,t,i,b,s\n", `x,5,1,true,second`, `1 "x" 5000000 true`},
	}
	for _, test := range tests {
		d := newCSVDecoder(schemaOf(t, schema), nil, ',', true)
		if test.header != "" {
			if err := d.Header([]byte(test.header)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			err := d.Decode([]byte(test.line))
			if want, bad := strings.CutPrefix(test.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q: %v, want %s", test.line, err, want)
				}
			} else if got := rowsOf(d.Flush()); err != nil || len(got) != 1 || got[0] != test.want {
				t.Errorf("%q: %v %v, want %s", test.line, got, err, test.want)
			}
		}
	}
	d := newCSVDecoder(schemaOf(t, schema), nil, ',', true)
	if err := d.Header([]byte("i,s")); err == nil || !strings.Contains(err.Error(), "has no t") {
		t.Errorf("a header without a column: %v", err)
	}
}

func TestCSVGoesOn(t *testing.T) {
	d := newCSVDecoder(schemaOf(t, "a: string"), nil, ',', false)
	for text, want := range map[string]bool{`a,b`: false, `a,"b`: true, "a,\"b\nc\"": false, "\"a\nb\nc": true, `"a""`: true, `"a"""`: false} {
		if goesOn(d, text) != want {
			t.Errorf("%q: it goes on is %v", text, !want)
		}
	}
}

// goesOn says whether a row goes on behind text.
func goesOn(f Framed, text string) bool {
	open := false
	for line := range strings.SplitSeq(text, "\n") {
		open = f.GoesOn(open, []byte(line))
	}
	return open
}

// TestCSVRoundTrip writes with our encoder, reads with encoding/csv and with our
// decoder.
func TestCSVRoundTrip(t *testing.T) {
	rng := random(t)
	schema := schemaOf(t, "i: int64|null, f: float64|null, s: string|null, b: bool|null, y: bytes|null, t: timestamp(us)|null")
	for _, delimiter := range []byte{',', ';', '\t'} {
		var rows [][]any
		for range 1000 {
			row := randomRow(rng)
			for i := range row {
				if rng.IntN(6) == 0 {
					row[i] = nil
				}
			}
			rows = append(rows, row)
		}
		b := batchOf(schema, rows...)
		e, d := newCSVEncoder(schema, delimiter, true), newCSVDecoder(schema, nil, delimiter, true)
		file := append(slices.Clone(e.Header()), '\n')
		if err := d.Header(e.Header()); err != nil {
			t.Fatal(err)
		}
		for row := range int32(b.Rows) {
			line, err := e.Encode(nil, b, row)
			if err != nil {
				t.Fatal(err)
			}
			if goesOn(d, string(line)) {
				t.Fatalf("%q goes on", line)
			}
			if err := d.Decode(line); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			file = append(append(file, line...), '\n')
		}
		if got, want := rowsOf(d.Flush()), rowsOf(b); !slices.Equal(got, want) {
			t.Fatal("rows came back changed")
		}
		r := stdcsv.NewReader(strings.NewReader(string(file)))
		r.Comma = rune(delimiter)
		records, err := r.ReadAll()
		if err != nil || len(records) != b.Rows+1 {
			t.Fatalf("encoding/csv reads %d records, %v", len(records), err)
		}
	}
}

func TestCSVConfig(t *testing.T) {
	f, _ := Lookup("csv")
	schema := schemaOf(t, "a: string")
	for _, bad := range []string{"", ",,", "\"", "\n", "ä"} {
		if _, err := f.Schema(schema, csvConfig(bad, true)); err == nil {
			t.Errorf("delimiter %q is accepted", bad)
		}
	}
	e, err := f.NewEncoder(schema, csvConfig(";", false))
	if err != nil || e.Header() != nil {
		t.Fatalf("header %q, %v", e.Header(), err)
	}
}

func FuzzCSVDecode(f *testing.F) {
	f.Add([]byte(`1,"a ""b""",5,true`), true)
	schema := schemaOf(f, "i: int64|null, s: string|null, t: timestamp|null, b: bool|null")
	f.Fuzz(func(t *testing.T, line []byte, header bool) {
		d := newCSVDecoder(schema, nil, ',', true)
		if header && d.Header(line) != nil {
			return
		}
		err := d.Decode(line)
		b := d.Flush()
		if (err == nil) != (b.Rows == 1) {
			t.Fatalf("%q: %d rows, %v", line, b.Rows, err)
		}
		for _, c := range b.Cols {
			if c.Len() != b.Rows {
				t.Fatalf("%q: a column of %d values in a batch of %d rows", line, c.Len(), b.Rows)
			}
		}
	})
}
