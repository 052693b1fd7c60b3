package dsl

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// Test is one entry of the pipeline's `tests`. Its form, and the names of sources,
// sinks and columns in it, are checked; nothing runs it, and lint says so.
type Test struct {
	Name  string
	Pos   spec.Pos
	Steps int
}

// steps are the kinds of step that a test may hold.
var steps = []string{"in", "advance", "crash", "expect"}

// crashes are the moments at which a `crash` step may strike.
var crashes = []string{"between_epochs", "before_commit", "after_commit"}

// tests checks the section `tests`.
func (r *reader) tests(t *tree) {
	if t == nil || t.shape == isNull {
		return
	}
	if t.shape != isList {
		r.faultf(t.pos, "type", "tests takes a list, not %s", t.shape)
		return
	}
	names := map[string]bool{}
	for i, item := range t.items {
		what := fmt.Sprintf("tests[%d]", i)
		fields := []spec.Field{
			{Name: "name", Type: spec.String, Required: true},
			{Name: "steps", Type: spec.Any, Required: true},
		}
		c := r.config(fields, item, item.pos, what)
		name := c.Get("name").Text
		if names[name] && name != "" {
			r.faultf(c.Get("name").Pos, "duplicate-key", "a test named %q stands before", name)
		}
		names[name] = true
		list := item.get("steps")
		if list == nil {
			continue
		}
		if list.shape != isList || len(list.items) == 0 {
			r.faultf(list.pos, "type", "%s.steps takes a list of steps", what)
			continue
		}
		for _, step := range list.items {
			r.step(step)
		}
		r.graph.Tests = append(r.graph.Tests, Test{Name: name, Pos: item.pos, Steps: len(list.items)})
	}
}

// step checks one step: a mapping with one key.
func (r *reader) step(t *tree) {
	if t.shape != isMapping || len(t.entries) != 1 {
		r.faultf(t.pos, "type", "a step is a mapping with one key").Hint = spec.DidYouMean("", steps)
		return
	}
	m := t.entries[0]
	switch m.key {
	case "in":
		r.rowsOf(m, r.sourceSchemas(), "source")
	case "expect":
		r.rowsOf(m, r.sinkSchemas(), "sink")
	case "advance":
		r.advance(m)
	case "crash":
		if m.value.shape != isScalar || !slices.Contains(crashes, m.value.text) {
			r.faultf(m.value.pos, "unknown-value", "%q is not a moment to crash at", m.value.text).Hint = spec.DidYouMean(m.value.text, crashes)
		}
	default:
		r.faultf(m.pos, "unknown-key", "%q is not a step", m.key).Hint = spec.DidYouMean(m.key, steps)
	}
}

// rowsOf checks a step that gives rows by node.
func (r *reader) rowsOf(m member, schemas map[string]*columnar.Schema, kind string) {
	if m.value.shape != isMapping {
		r.faultf(m.value.pos, "type", "%s takes a mapping from %ss to rows", m.key, kind)
		return
	}
	for _, node := range m.value.entries {
		schema, ok := r.known(node, schemas, kind)
		if !ok {
			continue
		}
		if node.value.shape != isList && node.value.shape != isNull {
			r.faultf(node.value.pos, "type", "%s takes a list of rows", node.key)
			continue
		}
		for _, row := range node.value.items {
			r.row(row, node.key, schema)
		}
	}
}

// row checks a row's columns against the schema; nil if that is not known.
func (r *reader) row(t *tree, node string, schema *columnar.Schema) {
	if t.shape != isMapping {
		r.faultf(t.pos, "type", "a row is a mapping from columns to values, not %s", t.shape)
		return
	}
	for _, m := range t.entries {
		if schema != nil && schema.Index(m.key) < 0 {
			r.faultf(m.pos, "unknown-column", "the rows of %s have no column %q", node, m.key).Hint = spec.DidYouMean(m.key, schema.Names())
		}
	}
}

// advance checks a step that moves event time.
func (r *reader) advance(m member) {
	if m.value.shape != isMapping {
		r.faultf(m.value.pos, "type", "advance takes a mapping from sources to times")
		return
	}
	for _, node := range m.value.entries {
		if _, ok := r.known(node, r.sourceSchemas(), "source"); !ok {
			continue
		}
		if _, err := time.Parse(time.RFC3339Nano, node.value.text); err != nil {
			r.faultf(node.value.pos, "type", "%q is not a time", node.value.text).Hint = `write it as "2026-01-31T12:00:00Z"`
		}
	}
}

// known finds the schema of the node that a step names.
func (r *reader) known(node member, schemas map[string]*columnar.Schema, kind string) (*columnar.Schema, bool) {
	schema, ok := schemas[node.key]
	if !ok {
		names := slices.Sorted(maps.Keys(schemas))
		r.faultf(node.pos, "unknown-name", "there is no %s %q", kind, node.key).Hint = spec.DidYouMean(node.key, names)
	}
	return schema, ok
}

func (r *reader) sourceSchemas() map[string]*columnar.Schema {
	schemas := map[string]*columnar.Schema{}
	for name, d := range r.byName {
		if d.Kind == Source {
			schemas[name] = d.Schema
		}
	}
	return schemas
}

func (r *reader) sinkSchemas() map[string]*columnar.Schema {
	schemas := map[string]*columnar.Schema{}
	for name, d := range r.sinks {
		schemas[name] = d.Schema
	}
	return schemas
}
