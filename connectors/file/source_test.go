package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/connectors/connectortest"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func config(path string, follow bool, maxLine int64) spec.Config {
	return spec.Config{Values: map[string]spec.Value{
		"path":     {Type: spec.String, Text: path},
		"follow":   {Type: spec.Boolean, Bool: follow},
		"max_line": {Type: spec.Size, Int: maxLine},
	}}
}

func format(name string) connectors.Format {
	return connectors.Format{Name: name, Config: spec.Config{Values: map[string]spec.Value{
		"delimiter": {Type: spec.String, Text: ","},
		"header":    {Type: spec.Boolean, Bool: true},
	}}}
}

// numbered is a schema of n and s.
func numbered(t *testing.T) *columnar.Schema {
	t.Helper()
	s, err := columnar.NewSchema(columnar.Column{Name: "n", Type: columnar.Type{Kind: columnar.Int64}},
		columnar.Column{Name: "s", Type: columnar.Type{Kind: columnar.String, Nullable: true}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newTestSource(t *testing.T, dir, path, formatName string, schema *columnar.Schema, follow bool, maxLine int64) connectors.Source {
	t.Helper()
	plan, err := SourceSpec.Plan(connectors.SourceInput{Name: "in", Config: config(path, follow, maxLine), Format: format(formatName), Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Bounded == follow {
		t.Fatalf("bounded is %v", plan.Bounded)
	}
	s, err := plan.New(connectors.Env{Dir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSourceConformance(t *testing.T) {
	var lines, objects, table strings.Builder
	table.WriteString("s,n\r\n")
	for i := range 9000 {
		fmt.Fprintf(&lines, "line %d\n", i)
		fmt.Fprintf(&objects, "{\"n\":%d,\"s\":\"x\"}\n", i)
		if i%1000 == 7 {
			objects.WriteString("{broken\n")
		}
		fmt.Fprintf(&table, "\"a \"\"%d\"\"\r\nb\",%d\r\n", i, i)
	}
	lines.WriteString("the last has no end")
	for _, test := range []struct {
		format, text string
		schema       *columnar.Schema
		rows         int
	}{
		{"lines", lines.String(), nil, 9001},
		{"json", objects.String(), numbered(t), 9009},
		{"csv", table.String(), numbered(t), 9000},
	} {
		t.Run(test.format, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "a.txt", test.text)
			put(t, dir, "b.txt", test.text)
			put(t, dir, "c.txt", "")
			connectortest.TestSource(t, connectortest.Source{
				Rows: 2 * test.rows,
				New: func(t *testing.T) connectors.Source {
					return newTestSource(t, dir, "*.txt", test.format, test.schema, false, 1<<20)
				},
			})
		})
	}
}

// readFile reads a bounded file: rows as text, errors with a !.
func readFile(t *testing.T, s connectors.Source) []string {
	t.Helper()
	splits, err := s.Splits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), splits[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rows []string
	for {
		got, err := r.Read(t.Context())
		if err != nil {
			return append(rows, "end: "+err.Error())
		}
		rows = append(rows, describe(got)...)
	}
}

func describe(got *connectors.Read) []string {
	var rows []string
	for i := range got.Batch.Rows {
		rows = append(rows, fmt.Sprint(got.Batch.Pos.Offset[i], " ", got.Batch.Cols[0].ValueStr(i)))
	}
	for _, e := range got.Errors {
		rows = append(rows, fmt.Sprintf("%d! %d bytes: %v", e.Offset, len(e.Raw), e.Err))
	}
	return rows
}

func TestLongLines(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 600_000)
	put(t, dir, "f", "a\n"+long+"\nb\n"+long[:101]+"\nc\n"+long)
	got := readFile(t, newTestSource(t, dir, "f", "lines", nil, false, 100))
	want := []string{"0 a", "2 b", "4 c", "1! 101 bytes: the row has more than 100 bytes (max_line)",
		"3! 101 bytes: the row has more than 100 bytes (max_line)", "5! 101 bytes: the row has more than 100 bytes (max_line)", "end: EOF"}
	if !slices.Equal(got, want) {
		t.Errorf("read %q", got)
	}
}

func TestSourceFaults(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "empty.csv", "")
	put(t, dir, "other.csv", "a,b\n1,2\n")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	open := func(path, formatName string, pos []byte) error {
		s := newTestSource(t, dir, path, formatName, numbered(t), false, 1000)
		splits, err := s.Splits(t.Context())
		if err != nil {
			return err
		}
		r, err := s.Open(t.Context(), splits[0], pos)
		if err != nil {
			return err
		}
		return r.Close()
	}
	for _, test := range []struct {
		path, want string
		pos        []byte
	}{
		{"missing.csv", "no file matches", nil},
		{"*.json", "no file matches", nil},
		{"[", "is not a valid pattern", nil},
		{"sub", "is a directory", nil},
		{"other.csv", "the line of column names has no n", nil},
		{"other.csv", "has 8 bytes, but 9 were already read", position{9, 1}.bytes()},
		{"other.csv", "is not one of a file", []byte("abc")},
	} {
		if err := open(test.path, "csv", test.pos); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.path, err, test.want)
		}
	}
	if err := open("empty.csv", "csv", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestFollow: rows come as they are finished, a row without its end waits, and a
// position in the middle holds.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	put(t, dir, "log", "one\ntw")
	synctest.Test(t, func(t *testing.T) {
		s := newTestSource(t, dir, "log", "lines", nil, true, 100)
		splits, err := s.Splits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), splits[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want string, atEnd bool) []byte {
			t.Helper()
			got, err := r.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(describe(got), ", "); text != want || got.AtEnd != atEnd {
				t.Fatalf("read %q, at end %v; want %q, %v", text, got.AtEnd, want, atEnd)
			}
			return slices.Clone(got.Next)
		}
		grow := func(text string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(text)
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		expect("0 one", true)
		expect("", true)
		grow("o\nthree\n")
		pos := expect("1 two, 2 three", true)
		r.Close()
		grow("four\n")
		if r, err = s.Open(t.Context(), splits[0], pos); err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		expect("3 four", true)
	})
}

// counting counts the bytes that a decoder is asked to frame.
type counting struct {
	codec.Framed
	bytes int
}

func (c *counting) GoesOn(open bool, line []byte) bool {
	c.bytes += len(line)
	return c.Framed.GoesOn(open, line)
}

// TestStrayQuote: behind a quote that nobody closes every line may be the row's last,
// and asking of each whether the text so far is a row read it again from its start.
// With a large max_line a file of some megabytes took hours.
func TestStrayQuote(t *testing.T) {
	dir := t.TempDir()
	const lines = 50_000
	put(t, dir, "f.csv", "n,s\n1,\"x\n"+strings.Repeat("2,y\n", lines)+"3,\"\n4,z\n")
	s := newTestSource(t, dir, "f.csv", "csv", numbered(t), false, 1<<20)
	r, err := s.Open(t.Context(), connectors.Split{ID: filepath.Join(dir, "f.csv")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := &counting{Framed: r.(*reader).framed}
	r.(*reader).framed = c
	got, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rows := got.Batch.Rows; rows != 2 {
		t.Errorf("read %d rows", rows)
	}
	if most := 5 * lines; c.bytes > most {
		t.Errorf("%d bytes were framed, of %d in the file", c.bytes, most)
	}
}
