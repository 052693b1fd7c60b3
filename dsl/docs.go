package dsl

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/operators/spec"
)

//go:embed intro.md
var introduction string

// Docs is the reference of pipeline files over a catalog, as Markdown: a written
// introduction, then every key, verb, format and message rule from what declares
// it. docs/pipelines.md is this text for the built-in verbs.
func Docs(catalog Catalog) []byte {
	w := docWriter{catalog: catalog.orDefault()}
	w.b.WriteString(introduction)
	w.add("\n## Top of the file\n\n")
	w.fields("", topFields)
	w.common()
	w.errorPort()
	w.section("Sources", Source)
	w.section("Operators", Operator)
	w.section("Sinks", Sink)
	w.formats()
	w.rules("Messages", "Every fault that a check finds has a rule, in brackets at its end. Verbs add rules of their own.", rules)
	w.rules("Warnings", "`millrace lint` also prints what is allowed but unwise.", warnings)
	return []byte(w.b.String())
}

type docWriter struct {
	catalog Catalog
	b       strings.Builder
}

func (w *docWriter) add(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

// fields writes a table of fields and, behind it, one of each field's own fields.
func (w *docWriter) fields(prefix string, fields []spec.Field) {
	if len(fields) == 0 {
		w.add("It has no fields.\n")
		return
	}
	w.add("| key | type | default | |\n|---|---|---|---|\n")
	for _, f := range fields {
		w.add("| `%s%s` | %s | %s | %s |\n", prefix, f.Name, typeText(f), defaultText(f), cell(fieldText(f)))
	}
	for _, f := range fields {
		if len(f.Fields) > 0 {
			w.add("\n`%s%s`:\n\n", prefix, f.Name)
			w.fields(prefix+f.Name+".", f.Fields)
		}
	}
}

func typeText(f spec.Field) string {
	switch f.Type {
	case spec.Enum:
		return "one of " + codes(f.Values)
	case spec.Any:
		return ""
	}
	if len(f.Values) > 0 {
		return f.Type.String() + " or " + codes(f.Values)
	}
	return f.Type.String()
}

func codes(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

func defaultText(f spec.Field) string {
	switch {
	case f.Required:
		return "required"
	case f.Default != "":
		return "`" + f.Default + "`"
	}
	return ""
}

// fieldText is a field's documentation with what the declaration adds to it.
func fieldText(f spec.Field) string {
	parts := []string{sentence(f.Doc)}
	if f.Primary {
		parts = append(parts, "A single value under the verb is this field's.")
	}
	if f.Scalar != "" {
		parts = append(parts, fmt.Sprintf("A single value stands for `%s`.", f.Scalar))
	}
	switch {
	case f.Min != "" && f.Max != "":
		parts = append(parts, fmt.Sprintf("From %s to %s.", f.Min, f.Max))
	case f.Min != "":
		parts = append(parts, fmt.Sprintf("At least %s.", f.Min))
	case f.Max != "":
		parts = append(parts, fmt.Sprintf("At most %s.", f.Max))
	}
	if f.Secret {
		parts = append(parts, "It is never shown.")
	}
	if f.Example != "" {
		parts = append(parts, fmt.Sprintf("Example: `%s: %s`.", f.Name, f.Example))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// sentence begins a text with a capital, unless it begins with code, and ends it.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// cell makes a text fit into a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// common writes the keys that nodes share.
func (w *docWriter) common() {
	w.add("\n## Keys of every node\n\nBesides its verb a node has these keys, where the table says so.\n\n")
	w.add("| key | on | default | |\n|---|---|---|---|\n")
	for _, c := range commonFields {
		var on []string
		for k := Source; k <= Sink; k++ {
			if c.kinds[k] {
				on = append(on, k.String()+"s")
			}
		}
		w.add("| `%s` | %s | %s | %s |\n", c.Name, strings.Join(on, ", "), defaultText(c.Field), cell(fieldText(c.Field)))
	}
	w.add("\n### event_time\n\n")
	w.fields("", eventTimeFields)
	w.add("\n### on_error\n\n")
	w.fields("", policyFields)
}

func (w *docWriter) errorPort() {
	w.add("\n## Error rows\n\nThe rows of an error port, whichever node failed, have these columns.\n\n| column | type | |\n|---|---|---|\n")
	for _, c := range errorColumns {
		w.add("| `%s` | %s | %s |\n", c.name, cell(c.typ.String()), c.doc)
	}
}

// section writes all verbs of a kind.
func (w *docWriter) section(title string, k Kind) {
	w.add("\n## %s\n", title)
	for _, name := range w.catalog.verbs(k) {
		v, _ := w.catalog.verb(k, name)
		w.add("\n### %s\n\n%s\n\n", name, v.summary)
		if v.doc != "" {
			w.add("%s\n\n", strings.TrimSpace(v.doc))
		}
		if len(v.formats) > 0 {
			w.add("Formats: %s", codes(v.formats))
			if v.format != "" {
				w.add("; without `format` it is `%s`", v.format)
			}
			w.add(".\n\n")
		}
		if onlyOwnNames(v.fields) {
			w.add("Under the verb stands a mapping: %s Example: `%s: %s`.\n", v.fields[0].Doc+".", name, v.fields[0].Example)
		} else {
			w.fields("", v.fields)
		}
		if v.example != "" {
			w.add("\n```yaml\n%s\n```\n", strings.Trim(v.example, "\n"))
		}
	}
}

func (w *docWriter) formats() {
	w.add("\n## Formats\n")
	for _, f := range w.catalog.Formats {
		w.add("\n### %s\n\n%s\n\n", f.Name, f.Summary)
		if f.Doc != "" {
			w.add("%s\n\n", strings.TrimSpace(f.Doc))
		}
		w.fields("", f.Fields)
	}
}

func (w *docWriter) rules(title, about string, rules map[string]string) {
	w.add("\n## %s\n\n%s\n\n| rule | |\n|---|---|\n", title, about)
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		w.add("| `%s` | %s |\n", rule, cell(rules[rule]))
	}
}
