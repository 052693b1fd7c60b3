package dsl

import (
	"strings"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// declaredSchema reads `schema`.
func (r *reader) declaredSchema(v spec.Value) *columnar.Schema {
	columns := make([]columnar.Column, 0, len(v.Map))
	for _, e := range v.Map {
		if e.Value.Text == "" {
			r.faultf(e.Pos, "unknown-type", "column %s needs a type", e.Key).Hint = typeHint("")
			continue
		}
		typ, err := columnar.ParseType(e.Value.Text)
		if err != nil {
			r.faultf(e.Value.Pos, "unknown-type", "column %s: %s", e.Key, err).Hint = typeHint(e.Value.Text)
			continue
		}
		if e.Key == "" {
			r.faultf(e.Pos, "name", "a column needs a name")
			continue
		}
		columns = append(columns, columnar.Column{Name: e.Key, Type: typ})
	}
	s, err := columnar.NewSchema(columns...)
	if err != nil {
		r.faultf(v.Pos, "duplicate-key", "schema: %s", err)
		return nil
	}
	return s
}

// otherTypes are names for types in other languages and systems.
var otherTypes = map[string]string{
	"int": "int64", "integer": "int64", "long": "int64", "bigint": "int64", "int32": "int64", "uint64": "int64",
	"float": "float64", "double": "float64", "number": "float64", "decimal": "float64", "float32": "float64",
	"str": "string", "text": "string", "varchar": "string", "boolean": "bool", "binary": "bytes",
	"time": "timestamp(ms)", "datetime": "timestamp(ms)", "date": "timestamp(ms)", "object": "json", "map": "json", "array": "json", "any": "json",
}

func typeHint(text string) string {
	base, null, _ := strings.Cut(strings.ToLower(text), "|")
	base = strings.TrimSpace(base)
	if optional, ok := strings.CutSuffix(base, "?"); ok {
		base, null = optional, "null"
	}
	suffix := ""
	if strings.TrimSpace(null) == "null" {
		suffix = "|null"
	}
	if ours, ok := otherTypes[base]; ok {
		return "did you mean " + ours + suffix + "?"
	}
	if best := spec.Nearest(base, columnar.TypeNames); best != "" {
		return "did you mean " + best + suffix + "?"
	}
	return "known are " + strings.Join(columnar.TypeNames, ", ") + ", each with |null"
}
