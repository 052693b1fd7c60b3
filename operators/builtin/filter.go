package builtin

import (
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

func init() { operators.Register(filterSpec) }

var filterSpec = &operators.Spec{
	Name:    "filter",
	Summary: "Keeps the rows for which an expression is true.",
	Doc: `A row for which the expression is false or null is dropped. One for which it
fails (a division by zero, an overflow) goes to the errors port.`,
	Fields: []spec.Field{
		{Name: "where", Type: spec.Expr, Primary: true, Required: true, Doc: "a boolean expression over the columns", Example: `kind == "click" and price != nil`},
	},
	Example: `paid:
  from: clicks
  filter: kind == "click" and price != nil
`,
	Plan: planFilter,
}

func planFilter(in operators.PlanInput) (*operators.Plan, error) {
	where := in.Config.Get("where")
	schema := in.Inputs[0]
	p, err := compile(where, where.Text, 0, schema, columnar.Bool)
	if err != nil {
		return nil, err
	}
	return &operators.Plan{
		Output:         schema,
		Columns:        [][]string{columnsOf(schema, []*expr.Program{p})},
		PassesThrough:  true,
		Class:          operators.Exact,
		MayFail:        p.MayFail(),
		Notes:          []operators.Note{note("filter", p)},
		KeepsEventTime: true,
		New:            func() (operators.Operator, error) { return &filter{eval: p.New()}, nil },
	}, nil
}

type filter struct {
	stateless
	eval *expr.Eval
	sel  []int32
}

func (f *filter) Process(_ int, b *columnar.Batch, out operators.Output) error {
	sel, faults, err := f.eval.Filter(b, f.sel)
	if err != nil {
		return err
	}
	f.sel = sel
	if faults != nil {
		for _, e := range faults.List {
			out.RowError(b, e.Row, e.Err)
		}
	}
	switch len(sel) {
	case 0:
		return nil
	case b.Len():
		return out.Emit(b)
	}
	return out.Emit(b.Select(sel))
}
