package dsl

import (
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

// eventTime reads `event_time` as far as it needs no schema.
func (r *reader) eventTime(c spec.Config, pos spec.Pos) *EventTime {
	et := &EventTime{
		Pos:        pos,
		Field:      c.Get("field").Text,
		OutOfOrder: c.Get("out_of_order").Duration,
		Idle:       c.Get("idle").Duration,
		MaxAhead:   c.Get("max_ahead").Duration,
	}
	field, expr := c.Get("field"), c.Get("expr")
	switch {
	case field.Set == expr.Set:
		r.faultf(pos, "missing-key", "event_time takes either field or expr").Hint = "name the timestamp column: event_time: {field: at, out_of_order: 5s}"
		return nil
	case field.Set:
		et.Pos = field.Pos
	default:
		et.Pos, et.Expr = expr.Pos, expr
	}
	et.Stated = c.Get("out_of_order").Set
	et.IdleStated = c.Get("idle").Set
	return et
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
		r.faultf(et.Pos, "unknown-column", "%s has no column %q", d.Name, et.Field).Hint = spec.DidYouMean(et.Field, d.Schema.Names())
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
