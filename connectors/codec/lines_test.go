package codec

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func TestLines(t *testing.T) {
	f, _ := Lookup("lines")
	schema, err := f.Schema(nil, spec.Config{})
	if err != nil || schema.String() != "{line: string}" {
		t.Fatalf("schema %v, %v", schema, err)
	}
	d, err := f.NewDecoder(schema, nil, spec.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one", "two\r\n", "\n", ""} {
		if err := d.Decode([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Decode([]byte("\xff")); err == nil {
		t.Error("a line that is not UTF-8 is accepted")
	}
	b := d.Flush()
	if got := rowsOf(b); !slices.Equal(got, []string{`"one"`, `"two"`, `""`, `""`}) {
		t.Fatalf("decoded %v", got)
	}
	e, err := f.NewEncoder(schema, spec.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := encodeAll(t, e, batchOf(schema, []any{"a\nb"}, []any{nil})); !slices.Equal(got, []string{"a b", ""}) {
		t.Errorf("encoded %q", got)
	}
	for _, bad := range []*columnar.Schema{schemaOf(t, "a: int64"), schemaOf(t, "a: string, b: string")} {
		if _, err := f.Schema(bad, spec.Config{}); err == nil {
			t.Errorf("schema %s is accepted", bad)
		}
		if _, err := f.NewEncoder(bad, spec.Config{}); err == nil {
			t.Errorf("rows of %s can be written", bad)
		}
	}
}
