package codec

import (
	"bytes"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() {
	Register(&Format{
		Name:    "csv",
		Summary: "Comma-separated values, quoted as RFC 4180 says.",
		Doc: `A field in double quotes may hold delimiters, line ends and doubled quotes. A file begins with a line of column names unless
` + "`header: false`" + `: the columns of the schema are found by name, in any order, and others are skipped. Records of a topic have no
such line; there, and without a header, the fields are the schema's columns in order.

An empty field without quotes is null if the column is nullable; otherwise it is the empty text, and an error row for types that
have none. Times are a number in the column's unit or a text such as ` + "`2026-01-31T10:00:00Z`" + `, booleans are ` + "`true` and `false`" + `,
bytes are Base64.`,
		Fields: []spec.Field{
			{Name: "delimiter", Type: spec.String, Default: ",", Doc: "one ASCII character between fields, such as `;` or a tab"},
			{Name: "header", Type: spec.Boolean, Default: "true", Doc: "whether a file begins with a line of column names"},
		},
		Schema: func(declared *columnar.Schema, cfg spec.Config) (*columnar.Schema, error) {
			if _, err := delimiter(cfg); err != nil {
				return nil, err
			}
			return needSchema("csv")(declared, cfg)
		},
		NewDecoder: func(schema *columnar.Schema, want []string, cfg spec.Config) (Decoder, error) {
			c, err := delimiter(cfg)
			if err != nil {
				return nil, err
			}
			return newCSVDecoder(schema, want, c, cfg.Get("header").Bool), nil
		},
		NewEncoder: func(schema *columnar.Schema, cfg spec.Config) (Encoder, error) {
			c, err := delimiter(cfg)
			if err != nil {
				return nil, err
			}
			return newCSVEncoder(schema, c, cfg.Get("header").Bool), nil
		},
	})
}

func delimiter(cfg spec.Config) (byte, error) {
	v := cfg.Get("delimiter")
	if len(v.Text) != 1 || v.Text[0] >= utf8.RuneSelf || strings.ContainsAny(v.Text, "\"\r\n") {
		return 0, spec.Errorf(v.Pos, "type-mismatch", "delimiter is %q; it is one ASCII character, not a quote or line end", v.Text)
	}
	return v.Text[0], nil
}

// csvDecoder reads rows of separated values.
type csvDecoder struct {
	columns
	delimiter byte
	header    bool
	order     []int // by field: the schema column, or skipped
	absent    []int // columns that the header does not have: null in every row
	scratch   []byte
}

func newCSVDecoder(schema *columnar.Schema, want []string, delimiter byte, header bool) *csvDecoder {
	d := &csvDecoder{columns: *newColumns(schema, want), delimiter: delimiter, header: header}
	for i := range schema.Columns {
		d.order = append(d.order, i)
	}
	return d
}

// TakesHeader implements Framed.
func (d *csvDecoder) TakesHeader() bool { return d.header }

// Header implements Framed.
func (d *csvDecoder) Header(line []byte) error {
	line = bytes.TrimPrefix(trimEnd(line), []byte("\ufeff"))
	found := make([]bool, len(d.schema.Columns))
	d.order, d.absent = d.order[:0], d.absent[:0]
	for p := 0; p <= len(line); {
		name, _, next, err := d.field(line, p)
		if err != nil {
			return fmt.Errorf("the line of column names: %w", err)
		}
		i := d.schema.Index(string(name))
		if i >= 0 && found[i] {
			i = skipped
		}
		if i >= 0 {
			found[i] = true
		}
		d.order = append(d.order, i)
		p = next
	}
	for i, c := range d.schema.Columns {
		switch {
		case found[i]:
		case !c.Type.Nullable:
			return fmt.Errorf("the line of column names has no %s, only %s", c.Name, quoted(line))
		default:
			d.absent = append(d.absent, i)
		}
	}
	return nil
}

// GoesOn implements Framed: a row goes on in the next line while a quote is open.
func (*csvDecoder) GoesOn(open bool, line []byte) bool {
	return open != (bytes.Count(line, []byte{'"'})%2 != 0)
}

// Decode implements Decoder.
func (d *csvDecoder) Decode(value []byte) error {
	d.begin()
	if err := d.row(trimEnd(value)); err != nil {
		d.rollback()
		return err
	}
	d.rows++
	return nil
}

func (d *csvDecoder) row(line []byte) error {
	n := 0
	for p := 0; p <= len(line); n++ {
		text, isQuoted, next, err := d.field(line, p)
		if err != nil {
			return fmt.Errorf("field %d: %w", n+1, err)
		}
		if n < len(d.order) && d.order[n] != skipped && d.cols[d.order[n]] != nil {
			if err := appendText(d.cols[d.order[n]], text, isQuoted); err != nil {
				return fmt.Errorf("field %s: %s is %w", d.schema.Columns[d.order[n]].Name, quoted(text), err)
			}
		}
		p = next
	}
	if n != len(d.order) {
		return fmt.Errorf("the row has %d fields, not %d", n, len(d.order))
	}
	for _, i := range d.absent {
		if d.cols[i] != nil {
			d.cols[i].AppendNull()
		}
	}
	return nil
}

// field reads the field at p. next is where the following one begins; beyond the
// end of the line there is none. text is lent until the next call.
func (d *csvDecoder) field(line []byte, p int) (text []byte, isQuoted bool, next int, err error) {
	if p < len(line) && line[p] == '"' {
		return d.quotedField(line, p+1)
	}
	end := bytes.IndexByte(line[p:], d.delimiter)
	if end < 0 {
		end = len(line) - p
	}
	text = line[p : p+end]
	if bytes.IndexByte(text, '"') >= 0 {
		return nil, false, 0, errBareQuote
	}
	return text, false, p + end + 1, nil
}

var (
	errBareQuote = errors.New("a quote within a field that is not quoted")
	errAfter     = errors.New("text after the closing quote")
)

func (d *csvDecoder) quotedField(line []byte, p int) (text []byte, isQuoted bool, next int, err error) {
	d.scratch = d.scratch[:0]
	for {
		n := bytes.IndexByte(line[p:], '"')
		if n < 0 {
			return nil, true, 0, errUnclosed
		}
		d.scratch = append(d.scratch, line[p:p+n]...)
		p += n + 1
		switch {
		case p == len(line) || line[p] == d.delimiter:
			return d.scratch, true, p + 1, nil
		case line[p] != '"':
			return nil, true, 0, errAfter
		}
		d.scratch = append(d.scratch, '"')
		p++
	}
}

// appendText appends a value that is written as text.
func appendText(col *columnar.Buffer, text []byte, isQuoted bool) error {
	if len(text) == 0 && col.Type.Nullable && !isQuoted {
		col.AppendNull()
		return nil
	}
	switch col.Type.Kind {
	case columnar.String:
		if !utf8.Valid(text) {
			return errors.New("not UTF-8")
		}
		col.AppendBytes(text)
	case columnar.Int64:
		v, err := parseInt(text)
		if err != nil {
			return err
		}
		col.AppendInt64(v)
	case columnar.Float64:
		v, err := parseFloat(text)
		if err != nil {
			return err
		}
		col.AppendFloat64(v)
	case columnar.Timestamp:
		v, err := parseTimestamp(text, col.Type.Unit)
		if err != nil {
			return err
		}
		col.AppendInt64(v)
	case columnar.Bool:
		v, err := parseBool(text)
		if err != nil {
			return err
		}
		col.AppendBool(v)
	case columnar.Bytes:
		v, err := base64.StdEncoding.AppendDecode(nil, text)
		if err != nil {
			return errBase64
		}
		col.AppendBytes(v)
	case columnar.JSON:
		if !stdjson.Valid(text) || !utf8.Valid(text) {
			return errBadJSON
		}
		col.AppendBytes(text)
	}
	return nil
}

// parseTimestamp reads a number in a unit, or RFC 3339.
func parseTimestamp(text []byte, unit columnar.Unit) (int64, error) {
	if d, end := scanDecimal(text, 0); end == len(text) && end > 0 {
		return d.scaled(unitShift(unit), true)
	}
	return parseTime(text)
}

func parseBool(text []byte) (bool, error) {
	switch string(text) {
	case "true", "TRUE", "True":
		return true, nil
	case "false", "FALSE", "False":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}
