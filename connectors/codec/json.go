package codec

import (
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() {
	Register(&Format{
		Name:    "json",
		Summary: "One JSON object per record or line.",
		Doc: `Each column of the schema is a field of the object; other fields are skipped. A field that is absent or ` + "`null`" + ` is null, and an
error row if its column is not nullable. Numbers are exact: an int64 out of range or with a fraction is an error row. Strings must be
UTF-8. A timestamp is a number in the column's unit or a text such as ` + "`\"2026-01-31T10:00:00.5Z\"`" + `; bytes are Base64. A column of type
` + "`json`" + ` keeps the text of its value, whatever that is.

Of a field that appears twice the first counts. The document is checked to its end, but of fields that no operator reads only that
brackets and quotes close; so adding a column to the schema can turn a row into an error row.

Rows are written with their columns in order, times as RFC 3339 in UTC, floats as the shortest text that reads back the same. NaN and
infinities have no notation in JSON: such a row is an error row.`,
		Schema: needSchema("json"),
		NewDecoder: func(schema *columnar.Schema, want []string, _ spec.Config) (Decoder, error) {
			return newJSONDecoder(schema, want), nil
		},
		NewEncoder: func(schema *columnar.Schema, _ spec.Config) (Encoder, error) {
			return newJSONEncoder(schema), nil
		},
	})
}

// needSchema is the Schema of formats that have columns of their own.
func needSchema(format string) func(*columnar.Schema, spec.Config) (*columnar.Schema, error) {
	return func(declared *columnar.Schema, cfg spec.Config) (*columnar.Schema, error) {
		if declared == nil || len(declared.Columns) == 0 {
			e := spec.Errorf(cfg.Pos, "schema-missing", "format %s needs a schema", format)
			e.Hint = "add schema: {column: type, …}"
			return nil, e
		}
		return declared, nil
	}
}

// jsonDecoder reads objects into columns.
//
// The simple way is a tree or a map per row, at 0.4 to 3 microseconds for 200
// bytes. Two things are cheaper. Values go from the text straight into columns,
// and fields that nobody reads are skipped. And since the rows of a topic are
// nearly always written by the same program, all that stands between the values
// (braces, keys, colons, commas) is remembered from the last row and compared as
// a whole; where it differs, the row is read the general way, and its layout is
// the new one.
//
//  1. Both ways read a value by the same function, so they agree on every row.
//  2. A row that the quick way cannot finish is read again the general way, which
//     alone makes errors.
//  3. A field counts where it stands first; a layout has it there only.
type jsonDecoder struct {
	columns
	fields []jsonField
	byName map[string]int
	layout layout

	row     uint64   // counts rows, to tell what was seen in this one
	seen    []uint64 // by field: the row in which it was last seen
	scratch []byte
}

// jsonField is a wanted column.
type jsonField struct {
	name  string
	typ   columnar.Type
	shift int   // of a timestamp's unit
	scale int64 // of a number: 10 to the shift for a timestamp, 1 for an int64
	col   *columnar.Buffer
}

// skipped is the field of a key that is not wanted, or not any more.
const skipped = -1

func newJSONDecoder(schema *columnar.Schema, want []string) *jsonDecoder {
	d := &jsonDecoder{columns: *newColumns(schema, want), byName: map[string]int{}}
	for i, c := range schema.Columns {
		if d.cols[i] != nil {
			d.byName[c.Name] = len(d.fields)
			d.fields = append(d.fields, newJSONField(c, d.cols[i]))
		}
	}
	d.seen = make([]uint64, len(d.fields))
	return d
}

func newJSONField(c columnar.Column, col *columnar.Buffer) jsonField {
	f := jsonField{name: c.Name, typ: c.Type, scale: 1, col: col}
	if c.Type.Kind == columnar.Timestamp {
		f.shift = unitShift(c.Type.Unit)
		for range f.shift {
			f.scale *= 10
		}
	}
	return f
}

// Decode implements Decoder.
func (d *jsonDecoder) Decode(value []byte) error {
	d.begin()
	if d.layout.known && d.quick(value) {
		d.rows++
		d.layout.misses = 0
		return nil
	}
	d.rollback()
	d.row++
	d.layout.forget()
	if err := d.walk(value); err != nil {
		d.rollback()
		d.layout.forget()
		return err
	}
	d.rows++
	return nil
}

// walk reads an object of any layout, and learns it.
func (d *jsonDecoder) walk(v []byte) error {
	p := skipSpace(v, 0)
	if p == len(v) {
		return errors.New("the value is empty, not a JSON object")
	}
	if v[p] != '{' {
		return at(p, fmt.Errorf("not a JSON object but %s", quoted(v[p:])))
	}
	p = skipSpace(v, p+1)
	between := 0 // where the text since the last value begins
	for first := true; ; first = false {
		if p < len(v) && v[p] == '}' && first {
			break
		}
		field, next, err := d.key(v, p)
		if err != nil {
			return at(next, err)
		}
		p = next
		if p == len(v) {
			return at(p, errEnd)
		}
		d.layout.add(v[between:p], field, d.opOf(field, v[p]))
		if p, err = d.value(field, v, p); err != nil {
			return d.blame(field, p, err)
		}
		between = p
		p = skipSpace(v, p)
		if p == len(v) {
			return at(p, errEnd)
		}
		if v[p] == '}' {
			break
		}
		if v[p] != ',' {
			return at(p, fmt.Errorf("after a value comes , or } but here is %s", quoted(v[p:])))
		}
		p = skipSpace(v, p+1)
	}
	if p = skipSpace(v, p+1); p != len(v) {
		return at(p, fmt.Errorf("after the object comes %s", quoted(v[p:])))
	}
	d.layout.finish(v[between:])
	return d.absent()
}

// key reads a key with its colon and finds its field. next is the value's index.
func (d *jsonDecoder) key(v []byte, p int) (field, next int, err error) {
	if p >= len(v) {
		return 0, p, errEnd
	}
	if v[p] != '"' {
		return 0, p, fmt.Errorf("a key in quotes is expected, but here is %s", quoted(v[p:]))
	}
	var name []byte
	if end, ok := plainString(v, p+1); ok {
		name, p = v[p+1:end], end+1
	} else {
		d.scratch, p, err = unescape(d.scratch[:0], v, p+1)
		if err != nil {
			return 0, p, err
		}
		name = d.scratch
	}
	field = skipped
	if f, ok := d.byName[string(name)]; ok && d.seen[f] != d.row {
		field, d.seen[f] = f, d.row
	}
	if p = skipSpace(v, p); p == len(v) || v[p] != ':' {
		return 0, p, fmt.Errorf("after the key %s comes a colon", quoted(name))
	}
	return field, skipSpace(v, p+1), nil
}

// absent fills in the fields that the row does not have.
func (d *jsonDecoder) absent() error {
	for i := range d.fields {
		f := &d.fields[i]
		if d.seen[i] == d.row {
			continue
		}
		if !f.typ.Nullable {
			return fmt.Errorf("field %s is missing; declare it %s|null if that is allowed", f.name, f.typ)
		}
		f.col.AppendNull()
		d.layout.missing = append(d.layout.missing, i)
	}
	return nil
}

// value reads the value at p into a field's column and returns the index after
// it.
func (d *jsonDecoder) value(field int, v []byte, p int) (int, error) {
	if field == skipped {
		return skipValue(v, p)
	}
	f := &d.fields[field]
	if p >= len(v) {
		return p, errEnd
	}
	switch f.typ.Kind {
	case columnar.Int64:
		n, end := scanDecimal(v, p)
		if end == 0 {
			break
		}
		i, err := n.scaled(0, false)
		if err != nil {
			return p, err
		}
		f.col.AppendInt64(i)
		return end, nil
	case columnar.String:
		if v[p] != '"' {
			break
		}
		if end, ok := plainString(v, p+1); ok {
			f.col.AppendBytes(v[p+1 : end])
			return end + 1, nil
		}
		return d.escaped(f, v, p+1)
	case columnar.Float64:
		n, end := scanDecimal(v, p)
		if end == 0 {
			break
		}
		x, err := n.float(v[p:end])
		if err != nil {
			return p, err
		}
		f.col.AppendFloat64(x)
		return end, nil
	case columnar.Timestamp:
		n, end := scanDecimal(v, p)
		if end == 0 {
			return d.time(f, v, p)
		}
		t, err := n.scaled(f.shift, true)
		if err != nil {
			return p, err
		}
		f.col.AppendInt64(t)
		return end, nil
	case columnar.Bool:
		if end := literal(v, p, "true"); end > 0 {
			f.col.AppendBool(true)
			return end, nil
		}
		if end := literal(v, p, "false"); end > 0 {
			f.col.AppendBool(false)
			return end, nil
		}
	case columnar.Bytes:
		if v[p] == '"' {
			return d.base64(f, v, p+1)
		}
	case columnar.JSON:
		if v[p] != 'n' {
			return d.raw(f, v, p)
		}
	}
	return d.null(f, v, p)
}

// literal is the index after a literal at p, 0 if it is not there.
func literal(v []byte, p int, text string) int {
	if len(v)-p >= len(text) && string(v[p:p+len(text)]) == text {
		return p + len(text)
	}
	return 0
}

// null reads a null, or says what stands there instead of the type.
func (d *jsonDecoder) null(f *jsonField, v []byte, p int) (int, error) {
	end := literal(v, p, "null")
	switch {
	case end == 0:
		return p, fmt.Errorf("%s is not %s", quoted(v[p:]), article(f.typ.Kind))
	case !f.typ.Nullable:
		return p, fmt.Errorf("null; declare it %s|null if that is allowed", f.typ)
	}
	f.col.AppendNull()
	return end, nil
}

func article(k columnar.Kind) string {
	switch k {
	case columnar.Int64:
		return "an int64"
	case columnar.Timestamp:
		return "a timestamp"
	}
	return "a " + k.String()
}

// escaped reads a string that the quick scan could not.
func (d *jsonDecoder) escaped(f *jsonField, v []byte, p int) (int, error) {
	var err error
	if d.scratch, p, err = unescape(d.scratch[:0], v, p); err != nil {
		return p, err
	}
	f.col.AppendBytes(d.scratch)
	return p, nil
}

func (d *jsonDecoder) time(f *jsonField, v []byte, p int) (int, error) {
	if v[p] != '"' {
		return d.null(f, v, p)
	}
	end, ok := plainString(v, p+1)
	if !ok {
		return p, errTimeText
	}
	t, err := parseTime(v[p+1 : end])
	if err != nil {
		return p, fmt.Errorf("%s is %w", quoted(v[p:end+1]), err)
	}
	f.col.AppendInt64(t)
	return end + 1, nil
}

var errBase64 = errors.New("not Base64")

func (d *jsonDecoder) base64(f *jsonField, v []byte, p int) (int, error) {
	text, end := d.scratch[:0], 0
	var err error
	if text, end, err = unescape(text, v, p); err != nil {
		return end, err
	}
	d.scratch = text
	// The decoded bytes are never longer: they overwrite what is read already.
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return p, errBase64
	}
	f.col.AppendBytes(text[:n])
	return end, nil
}

var errBadJSON = errors.New("the value is not valid JSON")

// raw keeps the text of a value.
func (d *jsonDecoder) raw(f *jsonField, v []byte, p int) (int, error) {
	end, err := skipValue(v, p)
	if err != nil {
		return end, err
	}
	if !stdjson.Valid(v[p:end]) {
		return p, errBadJSON
	}
	if !utf8.Valid(v[p:end]) {
		return p, errUTF8
	}
	f.col.AppendBytes(v[p:end])
	return end, nil
}

// blame names the field of an error.
func (d *jsonDecoder) blame(field, p int, err error) error {
	if field == skipped {
		return at(p, err)
	}
	f := &d.fields[field]
	switch {
	case errors.Is(err, errRange):
		err = fmt.Errorf("the number is out of range for %s", f.typ)
	case errors.Is(err, errNotInt):
		err = errors.New("the number has a fraction, which an int64 does not")
	}
	return fmt.Errorf("field %s: %w", f.name, err)
}

// at says where in the value something is wrong.
func at(p int, err error) error { return fmt.Errorf("byte %d: %w", p, err) }

// quoted is the beginning of some bytes for a message.
func quoted(b []byte) string {
	const most = 30
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
