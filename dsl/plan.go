package dsl

import (
	"errors"
	"fmt"
	"slices"

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
	r.onlyReader(d)
	if d.EventTime != nil {
		r.checkEventTime(d)
		d.HasEventTime = true
	}
}

// onlyReader refuses a second source of one topic: the pipeline's group has one
// offset for each of its partitions.
func (r *reader) onlyReader(d *draft) {
	topic := d.Source.Topic
	if topic == "" {
		return
	}
	if first := r.readers[topic]; first != nil {
		r.faultf(d.verbPos, "topic-twice", "%s reads the topic %s, which %s reads already", d.Name, topic, first.Name).Hint =
			"declare it once; several nodes can read `from: " + first.Name + "`"
		return
	}
	r.readers[topic] = d
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
			r.faultf(key.Pos, "unknown-column", "the rows of %s have no column %q", d.Name, key.Text).Hint = spec.DidYouMean(key.Text, m.schema.Names())
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
