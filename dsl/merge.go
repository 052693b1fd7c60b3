package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// merged is what arrives at one input.
type merged struct {
	schema    *columnar.Schema
	eventTime bool
	decided   bool // lateness has been decided for all rows
	late      bool // some are late rows
}

// merge checks that everything that meets at an input has the same columns.
func (r *reader) merge(d *draft, input int, edges []Edge) (merged, bool) {
	var m merged
	if len(edges) == 0 {
		return m, false
	}
	for i, e := range edges {
		one, ok := r.arriving(d, e)
		if !ok {
			return m, false
		}
		if i == 0 {
			m = one
			continue
		}
		switch first := edges[0]; {
		case !one.schema.Equal(m.schema):
			r.faultf(d.fromPos, "schema-mismatch", "%s merges rows of different columns: %s", d.Name,
				schemaDiff(first.String(), m.schema, e.String(), one.schema)).Hint = "bring them into one form with map first"
			return m, false
		case one.eventTime != m.eventTime:
			r.faultf(d.fromPos, "event-time", "%s merges rows with and without event time (%s and %s)", d.Name, first, e)
			return m, false
		}
		m.decided = m.decided && one.decided
		m.late = m.late || one.late
	}
	return m, true
}

// arriving is what one edge brings.
func (r *reader) arriving(d *draft, e Edge) (merged, bool) {
	if e.From == nil {
		return merged{schema: ErrorSchema, decided: true}, true
	}
	from := r.byName[e.From.Name]
	if e.Port == "" {
		return merged{schema: from.Schema, eventTime: from.HasEventTime, decided: from.decided, late: from.late}, true
	}
	schema, ok := from.Ports[e.Port]
	if !ok {
		f := r.faultf(d.fromPos, "unknown-port", "%s has no port %q", from.Name, e.Port)
		if f.Hint = spec.DidYouMean(e.Port, portNames(from.Node)); e.Port == latePort {
			f.Hint = "its inputs differ in their columns, so its late rows have no common form"
		}
		return merged{}, false
	}
	switch e.Port {
	case errorsPort:
		return merged{schema: schema, decided: true}, true
	case latePort:
		return merged{schema: schema, eventTime: true, decided: true, late: true}, true
	}
	return merged{schema: schema, eventTime: from.HasEventTime, decided: from.decided, late: from.late}, true
}

func portNames(n *Node) []string {
	var names []string
	for name := range n.Ports {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// String is the edge as `from` writes it.
func (e Edge) String() string {
	switch {
	case e.From == nil:
		return errorsName
	case e.Port == "":
		return e.From.Name
	}
	return e.From.Name + "." + e.Port
}

// schemaDiff says where two schemas differ, in words.
func schemaDiff(aName string, a *columnar.Schema, bName string, b *columnar.Schema) string {
	var diffs []string
	for _, c := range a.Columns {
		i := b.Index(c.Name)
		if i < 0 {
			diffs = append(diffs, fmt.Sprintf("%s is only in %s", c.Name, aName))
		} else if o := b.Columns[i]; o.Type.Kind != c.Type.Kind || o.Type.Nullable != c.Type.Nullable {
			diffs = append(diffs, fmt.Sprintf("%s is %s in %s and %s in %s", c.Name, c.Type, aName, o.Type, bName))
		}
	}
	for _, c := range b.Columns {
		if a.Index(c.Name) < 0 {
			diffs = append(diffs, fmt.Sprintf("%s is only in %s", c.Name, bName))
		}
	}
	if len(diffs) == 0 {
		return fmt.Sprintf("they stand in another order, %s in %s and %s in %s", strings.Join(a.Names(), ", "), aName, strings.Join(b.Names(), ", "), bName)
	}
	return strings.Join(diffs, "; ")
}
