package codec

import (
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() {
	Register(jsonFormat("json", "One JSON object per record or line.", jsonDoc))
	Register(jsonFormat("jsonl", "JSON lines: what files of one JSON object per line are often called. The same as `json`.",
		"See `json`."))
}

const jsonDoc = `Each column of the schema is a field of the object; other fields are skipped. A field that is absent or ` + "`null`" + ` is null, and an
error row if its column is not nullable. Numbers are exact: an int64 out of range or with a fraction is an error row. Strings must be
UTF-8. A timestamp is a number in the column's unit or a text such as ` + "`\"2026-01-31T10:00:00.5Z\"`" + `; bytes are Base64. A column of type
` + "`json`" + ` keeps the text of its value, whatever that is.

Of a field that appears twice the first counts. The document is checked to its end, but of fields that no operator reads only that
brackets and quotes close; so adding a column to the schema can turn a row into an error row.

Rows are written with their columns in order, times as RFC 3339 in UTC, floats as the shortest text that reads back the same. NaN and
infinities have no notation in JSON: such a row is an error row.`

func jsonFormat(name, summary, doc string) *Format {
	return &Format{
		Name: name, Summary: summary, Doc: doc,
		Schema: needSchema(name),
		NewDecoder: func(schema *columnar.Schema, want []string, _ spec.Config) (Decoder, error) {
			return newJSONDecoder(schema, want), nil
		},
		NewEncoder: func(schema *columnar.Schema, _ spec.Config) (Encoder, error) {
			return newJSONEncoder(schema), nil
		},
	}
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
