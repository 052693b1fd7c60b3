package dsl

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/operators/spec"
)

// config reads what stands under a verb (or another thing that declares fields)
// into a Config in which every field is present. what names it in messages; at is
// its place. Three forms are understood:
//
//   - a mapping from field names to values;
//   - a single value or a list, which is the primary field's value;
//   - a mapping, where the only field is the primary one and itself holds a
//     mapping of the user's own names (`map: {total: price * n}`): that field's value.
func (f *file) config(fields []spec.Field, t *tree, at spec.Pos, what string) spec.Config {
	c := spec.Config{Pos: at, Values: make(map[string]spec.Value, len(fields))}
	given := map[string]*tree{}
	primary := primaryField(fields)
	misspelt := map[string]bool{}
	switch {
	case t == nil || t.shape == isNull:
	case primary != nil && primary.Type == spec.Expr && looksLikeExpression(fields, t):
		given[primary.Name] = t
	case t.shape == isMapping && !onlyOwnNames(fields):
		misspelt = f.keys(fields, t, what, given)
	case primary == nil || t.shape == isList && !takesList(primary.Type):
		f.faultf(t.pos, "type", "%s takes a mapping, not %s", what, t.shape).Hint = keysHint(fields)
		f.defaults(fields, &c, at)
		return c
	default:
		given[primary.Name] = t
	}
	for _, field := range fields {
		value, ok := given[field.Name]
		if !ok || value.shape == isNull && field.Type != spec.Any {
			if field.Required && !misspelt[field.Name] {
				p := at
				if ok {
					p = value.pos
				}
				f.faultf(p, "missing-key", "%s needs %q", orPipeline(what), field.Name).Hint = exampleHint(field)
			}
			c.Values[field.Name] = f.defaultValue(field, at)
			continue
		}
		inner := what + "." + field.Name
		switch {
		case what == "": // the top of the file
			inner = field.Name
		case value == t: // the verb's value is its primary field's
			inner = what
		}
		c.Values[field.Name] = f.value(field, value, inner)
	}
	return c
}

// looksLikeExpression says whether a value is what YAML made of an expression
// that begins with a bracket.
func looksLikeExpression(fields []spec.Field, t *tree) bool {
	return t.shape == isList || t.shape == isMapping && t.flow && len(t.entries) > 0 &&
		!slices.ContainsFunc(t.entries, func(m member) bool { return spec.Nearest(m.key, fieldNames(fields)) != "" })
}

// keys sorts a mapping's values by field, reporting keys that no field has. It
// returns the fields that these keys probably were meant to be.
func (f *file) keys(fields []spec.Field, t *tree, what string, given map[string]*tree) map[string]bool {
	misspelt := map[string]bool{}
	for _, m := range t.entries {
		if !slices.ContainsFunc(fields, func(fd spec.Field) bool { return fd.Name == m.key }) {
			f.faultf(m.pos, "unknown-key", "%s has no key %q", orPipeline(what), m.key).Hint = spec.DidYouMean(m.key, fieldNames(fields))
			misspelt[spec.Nearest(m.key, fieldNames(fields))] = true
			continue
		}
		given[m.key] = m.value
	}
	return misspelt
}

// defaults fills a Config in which nothing could be read.
func (f *file) defaults(fields []spec.Field, c *spec.Config, at spec.Pos) {
	for _, field := range fields {
		c.Values[field.Name] = f.defaultValue(field, at)
	}
}

// defaultValue is what a field holds when the file does not give it. A mapping is
// there with its own defaults, so that a Plan can look into it without asking.
func (f *file) defaultValue(field spec.Field, at spec.Pos) spec.Value {
	if field.Default != "" {
		v := f.value(field, parseDefault(field.Default, at), field.Name)
		v.Set = false
		return v
	}
	v := spec.Value{Type: field.Type, Pos: at, Secret: field.Secret}
	if field.Type == spec.Mapping {
		sub := spec.Config{Pos: at, Values: make(map[string]spec.Value, len(field.Fields))}
		f.defaults(field.Fields, &sub, at)
		v.Sub = &sub
	}
	return v
}

// parseDefault reads a default, which is YAML in a Go program.
func parseDefault(text string, at spec.Pos) *tree {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return &tree{shape: isScalar, pos: at, text: text, locate: func(int) spec.Pos { return at }}
	}
	var convert func(n *yaml.Node) *tree
	convert = func(n *yaml.Node) *tree {
		t := &tree{pos: at}
		switch n.Kind {
		case yaml.SequenceNode:
			t.shape = isList
			for _, c := range n.Content {
				t.items = append(t.items, convert(c))
			}
		case yaml.MappingNode:
			t.shape = isMapping
			for i := 0; i+1 < len(n.Content); i += 2 {
				t.entries = append(t.entries, member{n.Content[i].Value, at, convert(n.Content[i+1])})
			}
		default:
			t.shape, t.text, t.locate = isScalar, n.Value, func(int) spec.Pos { return at }
		}
		return t
	}
	return convert(doc.Content[0])
}

// orPipeline names the thing that has keys; at the top of the file that is the
// pipeline.
func orPipeline(what string) string {
	if what == "" {
		return "a pipeline"
	}
	return what
}

func primaryField(fields []spec.Field) *spec.Field {
	for i := range fields {
		if fields[i].Primary {
			return &fields[i]
		}
	}
	return nil
}

// onlyOwnNames says whether a mapping under a verb is its only field's value.
func onlyOwnNames(fields []spec.Field) bool {
	return len(fields) == 1 && fields[0].Primary && ownNames(fields[0].Type)
}

// ownNames says whether a type holds a mapping with names of the user's.
func ownNames(t spec.Type) bool {
	return t == spec.ExprMap || t == spec.StringMap || t == spec.Any
}

func takesList(t spec.Type) bool { return t == spec.Names || t == spec.List || t == spec.Any }

func fieldNames(fields []spec.Field) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}

func keysHint(fields []spec.Field) string {
	if len(fields) == 0 {
		return "it takes no options: write {}"
	}
	return "its keys are " + strings.Join(fieldNames(fields), ", ")
}

func exampleHint(field spec.Field) string {
	if field.Example == "" {
		return ""
	}
	return "for example " + field.Name + ": " + field.Example
}
