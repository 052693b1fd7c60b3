package dsl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

// plan asks a node's verb what it will be, now that the schemas in front of it
// are known. A node behind a faulty one is not judged.
func (r *reader) plan(d *draft) {
	if d.Kind != Source && len(d.Inputs) == 0 {
		d.broken = true
		return
	}
	for _, edges := range d.Inputs {
		for _, e := range edges {
			if e.From != nil && r.byName[e.From.Name].broken {
				d.broken = true
				return
			}
		}
	}
	before := r.count
	switch d.Kind {
	case Source:
		r.planSource(d)
	case Operator:
		r.planOperator(d)
	case Sink:
		r.planSink(d)
	}
	d.broken = r.count != before
}

func (r *reader) planSource(d *draft) {
	s, _ := r.catalog.Connectors.Source(d.Verb)
	p, err := s.Plan(connectors.SourceInput{Name: d.Name, Config: d.Config, Format: d.Format, Schema: d.schema})
	if err == nil && (p == nil || p.Schema == nil || p.New == nil) {
		err = fmt.Errorf("the connector %s made no plan", d.Verb)
	}
	if err != nil {
		r.planFault(d, err)
		return
	}
	d.Source, d.Schema = p, p.Schema
	d.Ports = map[string]*columnar.Schema{errorsPort: ErrorSchema}
	if d.EventTime != nil {
		r.checkEventTime(d)
		d.HasEventTime = true
	}
}

// checkEventTime looks for the column, or compiles the expression, that gives a
// source's rows their event time.
func (r *reader) checkEventTime(d *draft) {
	et := d.EventTime
	if et.Field == "" {
		p, err := expr.Compile(et.Expr.Text, d.Schema, expr.Options{Deterministic: true, Want: columnar.Timestamp})
		if err != nil {
			r.exprFault(et.Expr, err)
			return
		}
		et.Program = p
		return
	}
	i := d.Schema.Index(et.Field)
	if i < 0 {
		r.faultf(et.Pos, "unknown-column", "%s has no column %q", d.Name, et.Field).Hint = didYouMean(et.Field, d.Schema.Names())
		return
	}
	if c := d.Schema.Columns[i]; c.Type.Kind != columnar.Timestamp {
		e := r.faultf(et.Pos, "type", "event time is a timestamp, and column %s is %s", c.Name, c.Type)
		if c.Type.Kind == columnar.Int64 {
			e.Hint = "declare it as timestamp(ms), or timestamp(s), (us), (ns)"
		} else {
			e.Hint = "declare it as a timestamp, or give an expression: event_time: {expr: ...}"
		}
	}
}

func (r *reader) planOperator(d *draft) {
	s, _ := r.catalog.Operators.Lookup(d.Verb)
	in := operators.PlanInput{Name: d.Name, Config: d.Config}
	undecided := false
	for i, edges := range d.Inputs {
		m, ok := r.merge(d, i, edges)
		if !ok {
			return
		}
		in.Inputs = append(in.Inputs, m.schema)
		in.EventTime = append(in.EventTime, m.eventTime)
		d.late = d.late || m.late
		undecided = undecided || !m.decided
	}
	p, err := s.Plan(in)
	if err == nil && (p == nil || p.Output == nil || p.New == nil) {
		err = fmt.Errorf("the operator %s made no plan", d.Verb)
	}
	if err != nil {
		r.planFault(d, err)
		return
	}
	d.Op, d.Schema = p, p.Output
	d.HasEventTime = p.KeepsEventTime && !slices.Contains(in.EventTime, false)
	d.DecidesLate = p.Timing != nil && undecided
	d.decided = p.Timing != nil || !undecided
	r.ports(d, in.Inputs)
	switch {
	case p.Timing != nil && slices.Contains(in.EventTime, false):
		r.faultf(d.verbPos, "event-time", "%s works on event time, and its rows have none", d.Verb).Hint = "give the source an event_time"
	case p.Timing != nil && d.late:
		r.faultf(d.fromPos, "late-again", "late rows cannot be windowed: their windows are closed").Hint =
			"raise lateness, or write them to a topic and window that in a pipeline of its own"
	}
}

// ports sets the schemas of an operator's further ports. Late rows leave as they
// came, so an operator whose inputs differ has no single schema for them.
func (r *reader) ports(d *draft, inputs []*columnar.Schema) {
	d.Ports = map[string]*columnar.Schema{errorsPort: ErrorSchema}
	if !slices.ContainsFunc(inputs, func(s *columnar.Schema) bool { return !s.Equal(inputs[0]) }) {
		d.Ports[latePort] = inputs[0]
	}
	for name, schema := range d.Op.Ports {
		if name == latePort || name == errorsPort {
			r.faultf(d.verbPos, "name", "the operator %s declares the port %s, which every operator has", d.Verb, name)
			continue
		}
		d.Ports[name] = schema
	}
}

func (r *reader) planSink(d *draft) {
	m, ok := r.merge(d, 0, d.Inputs[0])
	if !ok {
		return
	}
	for _, key := range d.Key {
		if m.schema.Index(key.Text) < 0 {
			r.faultf(key.Pos, "unknown-column", "the rows of %s have no column %q", d.Name, key.Text).Hint = didYouMean(key.Text, m.schema.Names())
			ok = false
		}
	}
	if !ok {
		return
	}
	s, _ := r.catalog.Connectors.Sink(d.Verb)
	p, err := s.Plan(connectors.SinkInput{Name: d.Name, Config: d.Config, Format: d.Format, Schema: m.schema, Key: d.Key})
	if err == nil && (p == nil || p.Log == nil && p.Staged == nil && p.AfterCommit == nil) {
		err = fmt.Errorf("the connector %s made no plan", d.Verb)
	}
	if err != nil {
		r.planFault(d, err)
		return
	}
	d.Sink, d.Schema, d.HasEventTime = p, m.schema, m.eventTime
}

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
		if f.Hint = didYouMean(e.Port, portNames(from.Node)); e.Port == latePort {
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

// planFault records what a verb's Plan found. Faults without a place get the verb's.
func (r *reader) planFault(d *draft, err error) {
	var many spec.Errors
	var one *spec.Error
	switch {
	case errors.As(err, &many):
		for _, e := range many {
			r.placed(d, e)
		}
	case errors.As(err, &one):
		r.placed(d, one)
	default:
		r.faultf(d.verbPos, "plan", "%s: %s", d.Name, err)
	}
}

func (r *reader) placed(d *draft, e *spec.Error) {
	if e.Pos.Line == 0 {
		at := *e
		at.Pos, e = d.verbPos, &at
	}
	r.fault(e)
}

// exprFault records a fault inside an expression at its own place.
func (r *reader) exprFault(v spec.Value, err error) {
	var e *expr.Error
	if !errors.As(err, &e) {
		r.faultf(v.Pos, "expression", "%s", err)
		return
	}
	r.fault(&spec.Error{Pos: v.At(e.From), Msg: e.Msg, Hint: e.Hint, Rule: e.Rule})
}
