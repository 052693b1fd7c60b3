package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/operators/spec"
)

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
			e.Rule, e.Hint = "unknown-value", spec.DidYouMean(t.text, field.Values)
		case spec.Nearest(t.text, field.Values) != "":
			e.Hint = spec.DidYouMean(t.text, field.Values)
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
