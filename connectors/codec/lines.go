package codec

import (
	"bytes"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// lineColumn is the column that lines have unless the pipeline names it.
const lineColumn = "line"

func init() {
	Register(&Format{
		Name:    "lines",
		Summary: "Text as it is, one row per record or line.",
		Doc: "The one column, `line: string` unless `schema` gives it another name, is the text without its line end (LF or CR LF). " +
			"Text that is not UTF-8 is an error row. Only rows of one string column can be written.",
		Schema: lineSchema,
		NewDecoder: func(schema *columnar.Schema, want []string, _ spec.Config) (Decoder, error) {
			return &lineDecoder{columns: *newColumns(schema, want)}, nil
		},
		NewEncoder: func(schema *columnar.Schema, cfg spec.Config) (Encoder, error) {
			if len(schema.Columns) != 1 || schema.Columns[0].Type.Kind != columnar.String {
				e := spec.Errorf(cfg.Pos, "schema-mismatch", "format lines writes one column of type string, but the rows are %s", schema)
				e.Hint = "use a map to make one, or another format"
				return nil, e
			}
			return &lineEncoder{newValueWriter(schema.Columns[0].Type)}, nil
		},
	})
}

func lineSchema(declared *columnar.Schema, cfg spec.Config) (*columnar.Schema, error) {
	if declared == nil || len(declared.Columns) == 0 {
		return columnar.NewSchema(columnar.Column{Name: lineColumn, Type: columnar.Type{Kind: columnar.String}})
	}
	if len(declared.Columns) != 1 || declared.Columns[0].Type.Kind != columnar.String {
		e := spec.Errorf(cfg.Pos, "schema-mismatch", "format lines has one column of type string, but the schema is %s", declared)
		e.Hint = "leave the schema out, or write schema: {line: string}"
		return nil, e
	}
	return declared, nil
}

type lineDecoder struct{ columns }

// Decode implements Decoder.
func (d *lineDecoder) Decode(value []byte) error {
	d.begin()
	value = trimEnd(value)
	if !utf8.Valid(value) {
		return errUTF8
	}
	if d.cols[0] != nil {
		d.cols[0].AppendBytes(value)
	}
	d.rows++
	return nil
}

// trimEnd takes LF or CR LF off a line.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

type lineEncoder struct{ valueWriter }

// Encode implements Encoder. A null is an empty line; line ends within the text
// become spaces, since a row is one line.
func (e *lineEncoder) Encode(dst []byte, b *columnar.Batch, row int32) ([]byte, error) {
	e.bind(b.Cols[0])
	if e.null(int(row)) {
		return dst, nil
	}
	begin := len(dst)
	dst = append(dst, e.bytes(int(row))...)
	for i := begin; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return dst, nil
}

// Header implements Encoder.
func (*lineEncoder) Header() []byte { return nil }
