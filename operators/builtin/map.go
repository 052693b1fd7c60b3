package builtin

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

func init() { operators.Register(mapSpec) }

var mapSpec = &operators.Spec{
	Name:    "map",
	Summary: "Makes new columns from expressions over the old ones.",
	Doc: `Every entry is the name of a new column and the expression that gives its values;
the columns come out in this order, and only these. An entry such as ` + "`ad: ad`" + ` passes
a column through as it is, at no cost. Event time stays with the row, whatever the
columns are. A row for which an expression fails goes to the errors port whole.`,
	Fields: []spec.Field{
		{Name: "columns", Type: spec.ExprMap, Primary: true, Required: true, Doc: "column name: expression", Example: `{ad: ad, spend: price / 1e6}`},
	},
	Example: `spend:
  from: paid
  map: {ad: ad, spend: price / 1e6}
`,
	Plan: planMap,
}

func planMap(in operators.PlanInput) (*operators.Plan, error) {
	schema := in.Inputs[0]
	entries := in.Config.Get("columns")
	if len(entries.Map) == 0 {
		return nil, spec.Errorf(entries.Pos, "empty", "map needs at least one column")
	}
	var faults spec.Errors
	var programs []*expr.Program
	var columns []columnar.Column
	plan := &operators.Plan{Class: operators.Exact, KeepsEventTime: true}
	seen := map[string]bool{}
	for _, e := range entries.Map {
		if seen[e.Key] {
			faults = append(faults, spec.Errorf(e.Pos, "duplicate", "column %q appears twice", e.Key))
			continue
		}
		seen[e.Key] = true
		p, err := compile(e.Value, e.Value.Text, 0, schema, columnar.Invalid)
		if err != nil {
			faults = collect(faults, err)
			continue
		}
		programs = append(programs, p)
		columns = append(columns, columnar.Column{Name: e.Key, Type: p.Type()})
		plan.Notes = append(plan.Notes, note(e.Key, p))
	}
	if len(faults) > 0 {
		return nil, faults
	}
	output, err := columnar.NewSchema(columns...)
	if err != nil {
		return nil, err
	}
	plan.Output = output
	plan.Columns = [][]string{columnsOf(schema, programs)}
	plan.MayFail = anyMayFail(programs)
	plan.New = func() (operators.Operator, error) {
		return &mapper{schema: output, eval: newEvaluator(programs)}, nil
	}
	return plan, nil
}

// collect adds a fault to those found so far.
func collect(faults spec.Errors, err error) spec.Errors {
	var one *spec.Error
	if !errors.As(err, &one) {
		panic(fmt.Sprintf("builtin: fault without a place: %v", err))
	}
	return append(faults, one)
}

type mapper struct {
	stateless
	schema *columnar.Schema
	eval   *evaluator
	cols   []arrow.Array
}

func (m *mapper) Process(_ int, b *columnar.Batch, out operators.Output) error {
	arrs, sel, err := m.eval.run(b, out)
	if err != nil || len(sel) == 0 {
		return err
	}
	m.cols = append(m.cols[:0], arrs...)
	c := *b
	c.Schema, c.Cols, c.Keys = m.schema, m.cols, nil
	if len(sel) < b.Len() {
		c.Sel = sel
	}
	return out.Emit(&c)
}
