package dsl

import (
	"cmp"
	"fmt"
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
		!slices.ContainsFunc(t.entries, func(m member) bool { return nearest(m.key, fieldNames(fields)) != "" })
}

// keys sorts a mapping's values by field, reporting keys that no field has. It
// returns the fields that these keys probably were meant to be.
func (f *file) keys(fields []spec.Field, t *tree, what string, given map[string]*tree) map[string]bool {
	misspelt := map[string]bool{}
	for _, m := range t.entries {
		if !slices.ContainsFunc(fields, func(fd spec.Field) bool { return fd.Name == m.key }) {
			f.faultf(m.pos, "unknown-key", "%s has no key %q", orPipeline(what), m.key).Hint = didYouMean(m.key, fieldNames(fields))
			misspelt[nearest(m.key, fieldNames(fields))] = true
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

// value reads one field's value.
func (f *file) value(field spec.Field, t *tree, what string) spec.Value {
	v := spec.Value{Type: field.Type, Pos: t.pos, Set: true, Secret: field.Secret}
	if t.bad && t.shape == isScalar {
		return f.defaultValue(field, t.pos)
	}
	if t.shape == isScalar {
		v.Text, v.Locate = t.text, t.locate
	}
	switch field.Type {
	case spec.Names:
		v.Names = f.names(t, what)
	case spec.ExprMap, spec.StringMap:
		v.Map = f.ownMap(field, t, what)
	case spec.Mapping:
		sub := f.mappingValue(field, t, what)
		v.Sub = &sub
	case spec.List:
		v.List = f.list(field, t, what)
	case spec.Any:
		v = anyValue(t)
		v.Secret = field.Secret
	case spec.Expr:
		f.expression(t, what)
	default:
		f.scalarValue(field, t, what, &v)
	}
	return v
}

// scalarValue reads a single value and checks it against the field's bounds.
func (f *file) scalarValue(field spec.Field, t *tree, what string, v *spec.Value) {
	if !f.isSingle(t, what) {
		return
	}
	if field.Type != spec.Enum && slices.Contains(field.Values, t.text) {
		return // a word that stands in for a value: never, unlimited
	}
	if err := readScalar(field, t.text, v); err != nil {
		if field.Secret { // what is wrong with a secret must not show it
			f.faultf(t.pos, "type", "%s is not a valid %s", what, field.Type)
			return
		}
		e := f.faultf(t.pos, "type", "%s: %s", what, err)
		switch {
		case field.Type == spec.Enum:
			e.Rule, e.Hint = "unknown-value", didYouMean(t.text, field.Values)
		case nearest(t.text, field.Values) != "":
			e.Hint = didYouMean(t.text, field.Values)
		case len(field.Values) > 0:
			e.Hint = "or write " + strings.Join(field.Values, " or ")
		}
		return
	}
	if err := checkBounds(field, *v); err != nil {
		f.faultf(t.pos, "range", "%s %s", what, err)
	}
}

// readScalar fills the member of v that the field's type names.
func readScalar(field spec.Field, text string, v *spec.Value) (err error) {
	switch field.Type {
	case spec.Int:
		v.Int, err = parseInt(text)
	case spec.Float:
		v.Float, err = parseFloat(text)
	case spec.Boolean:
		v.Bool, err = parseBool(text)
	case spec.Duration:
		v.Duration, err = parseDuration(text)
	case spec.Size:
		v.Int, err = parseSize(text)
	case spec.Enum:
		if !slices.Contains(field.Values, text) {
			err = fmt.Errorf("%q is not one of its values", text)
		}
	}
	return err
}

// checkBounds compares a value with the field's Min and Max.
func checkBounds(field spec.Field, v spec.Value) error {
	for _, bound := range []struct {
		text, verb string
		sign       int
	}{{field.Min, "must be at least", -1}, {field.Max, "may be at most", 1}} {
		if bound.text == "" {
			continue
		}
		var limit spec.Value
		if err := readScalar(spec.Field{Type: field.Type}, bound.text, &limit); err != nil {
			return fmt.Errorf("has an unreadable bound %q", bound.text)
		}
		var c int
		switch field.Type {
		case spec.Int, spec.Size:
			c = cmp.Compare(v.Int, limit.Int)
		case spec.Float:
			c = cmp.Compare(v.Float, limit.Float)
		case spec.Duration:
			c = cmp.Compare(v.Duration, limit.Duration)
		}
		if c == bound.sign {
			if field.Secret {
				return fmt.Errorf("%s %s", bound.verb, bound.text)
			}
			return fmt.Errorf("%s %s, not %s", bound.verb, bound.text, v.Text)
		}
	}
	return nil
}

// isSingle reports a value that is not a scalar, or has a tag.
func (f *file) isSingle(t *tree, what string) bool {
	switch {
	case t.shape != isScalar:
		f.faultf(t.pos, "type", "%s takes a single value, not %s", what, t.shape)
		return false
	case t.tag != "" && !strings.HasPrefix(t.tag, "!!"):
		f.faultf(t.pos, "yaml-tag", "YAML reads %s as a tag, and tags mean nothing in a pipeline", t.tag).Hint = "quote the value"
		return false
	}
	return true
}

// names reads a list of names; a single value is a list of one.
func (f *file) names(t *tree, what string) []spec.Value {
	items := t.items
	if t.shape != isList {
		items = []*tree{t}
	}
	names := make([]spec.Value, 0, len(items))
	for _, item := range items {
		if !item.bad && f.isSingle(item, what) {
			names = append(names, spec.Value{Type: spec.String, Pos: item.pos, Set: true, Text: item.text, Locate: item.locate})
		}
	}
	return names
}

// ownMap reads a mapping whose keys are the user's.
func (f *file) ownMap(field spec.Field, t *tree, what string) []spec.Entry {
	if t.shape != isMapping {
		f.faultf(t.pos, "type", "%s takes a mapping, not %s", what, t.shape).Hint = exampleHint(field)
		return nil
	}
	entries := make([]spec.Entry, 0, len(t.entries))
	for _, m := range t.entries {
		v := spec.Value{Type: spec.String, Pos: m.value.pos, Set: true, Text: m.value.text, Locate: m.value.locate}
		if m.value.bad {
			continue
		}
		if field.Type == spec.ExprMap {
			v.Type = spec.Expr
			f.expression(m.value, what+"."+m.key)
		} else if m.value.shape != isNull {
			f.isSingle(m.value, what+"."+m.key)
		}
		entries = append(entries, spec.Entry{Key: m.key, Pos: m.pos, Value: v})
	}
	return entries
}

func (f *file) mappingValue(field spec.Field, t *tree, what string) spec.Config {
	if t.shape != isMapping && field.Scalar != "" {
		t = &tree{shape: isMapping, pos: t.pos, entries: []member{{field.Scalar, t.pos, t}}}
	}
	return f.config(field.Fields, t, t.pos, what)
}

func (f *file) list(field spec.Field, t *tree, what string) []spec.Config {
	if t.shape != isList {
		f.faultf(t.pos, "type", "%s takes a list, not %s", what, t.shape)
		return nil
	}
	configs := make([]spec.Config, len(t.items))
	for i, item := range t.items {
		configs[i] = f.config(field.Fields, item, item.pos, fmt.Sprintf("%s[%d]", what, i))
	}
	return configs
}

// anyValue is a value whose meaning only its verb knows.
func anyValue(t *tree) spec.Value {
	v := spec.Value{Type: spec.Any, Pos: t.pos, Set: t.shape != isNull, Text: t.text, Locate: t.locate}
	for _, item := range t.items {
		v.Names = append(v.Names, anyValue(item))
	}
	for _, m := range t.entries {
		v.Map = append(v.Map, spec.Entry{Key: m.key, Pos: m.pos, Value: anyValue(m.value)})
	}
	return v
}

// expression checks the YAML around an expression; what it says is the verb's to
// compile. It reports the traps that leave valid YAML behind.
func (f *file) expression(t *tree, what string) {
	switch {
	case t.tag != "" && !strings.HasPrefix(t.tag, "!!"):
		rest := strings.TrimSpace(t.tag + " " + t.text)
		f.faultf(t.pos, "yaml-quote", "YAML reads a leading ! as a tag, so %s would be %q", what, t.text).Hint =
			"quote this expression: " + yamlQuote(rest) + ", or write not instead of !"
	case t.shape == isNull:
		f.faultf(t.pos, "missing-key", "%s needs an expression", what)
	case t.shape != isScalar:
		f.faultf(t.pos, "yaml-quote", "YAML reads %s as %s, not as an expression", what, t.shape).Hint = "quote this expression"
	case t.cut && !balanced(t.text):
		end := t.locate(len([]rune(t.text)))
		f.faultf(end, "yaml-quote", "YAML reads ` #` as the start of a comment, so %s is only %q", what, t.text).Hint = "quote this expression"
	}
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
