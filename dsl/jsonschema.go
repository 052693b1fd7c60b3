package dsl

import (
	"encoding/json"
	"strings"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// A schema object of JSON Schema.
type object = map[string]any

// JSONSchema is the JSON Schema (draft-07, the newest that common YAML editors
// read) of pipeline files over a catalog, for completion and checks in an editor.
// It refuses unknown keys. It cannot follow names and columns: Parse is stricter.
func JSONSchema(catalog Catalog) ([]byte, error) {
	catalog = catalog.orDefault()
	s := schemaOf(topFields)
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Millrace pipeline"
	properties := s["properties"].(object)
	for _, k := range []Kind{Source, Operator, Sink} {
		name := k.String() + "s"
		properties[name] = object{
			"type":                 orNull("object", k == Operator),
			"description":          properties[name].(object)["description"],
			"propertyNames":        object{"pattern": nodeName.String(), "maxLength": maxNameLength},
			"additionalProperties": object{"$ref": "#/definitions/" + k.String()},
		}
		if k != Operator {
			properties[name].(object)["minProperties"] = 1
		}
	}
	properties["pipeline"].(object)["pattern"] = pipelineName.String()
	properties["pipeline"].(object)["maxLength"] = maxPipelineName
	properties["tests"] = testsSchema()
	s["definitions"] = object{
		Source.String():   catalog.nodeSchema(Source),
		Operator.String(): catalog.nodeSchema(Operator),
		Sink.String():     catalog.nodeSchema(Sink),
	}
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// nodeSchema is the schema of a node: the common keys and exactly one verb.
func (c Catalog) nodeSchema(k Kind) object {
	properties := object{}
	for _, field := range commonFor(k) {
		properties[field.Name] = described(field, valueSchema(field))
	}
	if k != Source {
		properties["from"] = described(commonFor(k)[0], fromSchema())
	}
	if k != Operator {
		properties["format"] = described(spec.Field{Doc: "How rows are written as bytes."}, c.formatSchema(k))
	}
	var oneVerb []any
	for _, name := range c.verbs(k) {
		v, _ := c.verb(k, name)
		s := verbSchema(v.fields)
		if v.summary != "" {
			s["description"] = v.summary
		}
		properties[name] = s
		oneVerb = append(oneVerb, object{"required": []string{name}})
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(oneVerb) > 0 {
		s["oneOf"] = oneVerb
	}
	if k != Source {
		s["required"] = []string{"from"}
	}
	return s
}

// verbSchema is what may stand under a verb: its primary field's value, or a
// mapping of all fields.
func verbSchema(fields []spec.Field) object {
	primary := primaryField(fields)
	if onlyOwnNames(fields) {
		return described(*primary, valueSchema(*primary))
	}
	all := schemaOf(fields)
	var alternatives []any
	if primary != nil {
		alternatives = append(alternatives, described(*primary, valueSchema(*primary)))
	}
	if all["required"] == nil { // nothing at all under the verb is fine
		all["type"] = orNull("object", true)
	}
	if alternatives == nil {
		return all
	}
	return object{"anyOf": append(alternatives, all)}
}

// schemaOf is a mapping of fields.
func schemaOf(fields []spec.Field) object {
	properties := object{}
	var required []string
	for _, field := range fields {
		properties[field.Name] = described(field, valueSchema(field))
		if field.Required {
			required = append(required, field.Name)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

// described adds a field's documentation to its schema.
func described(field spec.Field, s object) object {
	doc := field.Doc
	if field.Default != "" {
		doc += " Default: `" + field.Default + "`."
	}
	if doc != "" {
		s["description"] = strings.TrimSpace(doc)
	}
	return s
}

// variableText is a value that holds an environment variable: any scalar may.
var variableText = object{"type": "string", "pattern": `\$\{`}

// valueSchema is what a field may hold.
func valueSchema(field spec.Field) object {
	scalar := object{"type": []string{"string", "number", "boolean"}}
	switch field.Type {
	case spec.Int:
		return orVariable(bounded(field, object{"type": "integer"}))
	case spec.Float:
		return orVariable(bounded(field, object{"type": "number"}))
	case spec.Boolean:
		return orVariable(object{"type": "boolean"})
	case spec.Duration:
		return orVariable(object{"type": "string", "pattern": `^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$`}, field.Values...)
	case spec.Size:
		return orVariable(object{"type": []string{"string", "integer"}, "pattern": `^\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]?$`, "minimum": 0}, field.Values...)
	case spec.Enum:
		return orVariable(object{"enum": field.Values})
	case spec.Names:
		return object{"anyOf": []any{scalar, object{"type": "array", "items": scalar}}}
	case spec.ExprMap, spec.StringMap:
		if field.Name == "schema" {
			return object{"type": "object", "additionalProperties": typeSchema()}
		}
		return object{"type": "object", "additionalProperties": scalar}
	case spec.Mapping:
		return mappingSchema(field)
	case spec.List:
		return object{"type": "array", "items": verbSchema(field.Fields)}
	case spec.Any:
		return object{}
	}
	return scalar // String and Expr: YAML reads 5 and true as other types
}

// mappingSchema allows the scalar that stands for one of the mapping's fields.
func mappingSchema(field spec.Field) object {
	all := schemaOf(field.Fields)
	for _, inner := range field.Fields {
		if inner.Name == field.Scalar {
			return object{"anyOf": []any{valueSchema(inner), all}}
		}
	}
	return all
}

func orVariable(s object, words ...string) object {
	alternatives := []any{s}
	if len(words) > 0 {
		alternatives = append(alternatives, object{"enum": words})
	}
	return object{"anyOf": append(alternatives, variableText)}
}

func bounded(field spec.Field, s object) object {
	if field.Min != "" {
		s["minimum"] = json.Number(field.Min)
	}
	if field.Max != "" {
		s["maximum"] = json.Number(field.Max)
	}
	return s
}

// typeSchema is a column's type.
func typeSchema() object {
	var all []string
	for _, name := range append([]string{"timestamp"}, columnar.TypeNames...) {
		all = append(all, name, name+"|null")
	}
	return orVariable(object{"enum": all})
}

func fromSchema() object {
	name := object{"type": "string"}
	list := object{"type": "array", "items": name, "minItems": 1, "uniqueItems": true}
	return object{"anyOf": []any{name, list, object{"type": "object", "additionalProperties": object{"anyOf": []any{name, list}}}}}
}

// formatSchema is a format's name, or a mapping from it to its options, among
// those that some connector of the kind takes.
func (c Catalog) formatSchema(k Kind) object {
	taken := map[string]bool{}
	for _, name := range c.verbs(k) {
		v, _ := c.verb(k, name)
		for _, format := range v.formats {
			taken[format] = true
		}
	}
	var names []string
	var mappings []any
	for _, f := range c.Formats {
		if !taken[f.Name] {
			continue
		}
		names = append(names, f.Name)
		mappings = append(mappings, object{"type": "object", "additionalProperties": false, "required": []string{f.Name},
			"properties": object{f.Name: verbSchema(f.Fields)}})
	}
	return object{"anyOf": append([]any{object{"enum": names}, variableText}, mappings...)}
}

func orNull(typ string, null bool) any {
	if null {
		return []string{typ, "null"}
	}
	return typ
}

// testsSchema is the form of `tests`.
func testsSchema() object {
	rows := object{"type": "object", "additionalProperties": object{"type": []string{"array", "null"}, "items": object{"type": "object"}}}
	stepSchemas := object{
		"in":      rows,
		"expect":  rows,
		"advance": object{"type": "object", "additionalProperties": object{"type": "string"}},
		"crash":   object{"enum": crashes},
	}
	return object{
		"description": "Examples of input and expected output; checked, not run.",
		"type":        "array",
		"items": object{
			"type": "object", "additionalProperties": false, "required": []string{"name", "steps"},
			"properties": object{
				"name": object{"type": "string"},
				"steps": object{"type": "array", "minItems": 1, "items": object{
					"type": "object", "additionalProperties": false, "properties": stepSchemas, "minProperties": 1, "maxProperties": 1}},
			},
		},
	}
}
