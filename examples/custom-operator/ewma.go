package main

import (
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() { operators.Register(ewma) }

var ewma = operators.PerRow(operators.RowSpec{
	Name:    "ewma",
	Summary: "Adds the exponentially weighted moving average of a column, per key.",
	Doc:     "Every row leaves with the column `ewma`: the average of its key so far, in which each older value counts (1 - alpha) times the next.",
	Fields: []spec.Field{
		{Name: "of", Type: spec.String, Primary: true, Required: true, Doc: "the column to average", Example: "price"},
		{Name: "by", Type: spec.Names, Doc: "the columns of the key", Example: "[user]"},
		{Name: "alpha", Type: spec.Float, Default: "0.1", Min: "0", Max: "1", Doc: "the weight of the newest value"},
	},
	Example: `smooth:
  from: clicks
  ewma: {of: price, by: [ad], alpha: 0.2}
`,
	Plan: func(p *operators.RowPlan) operators.RowFunc {
		p.KeyBy("by")
		of, alpha := p.Column("of", columnar.Int64, columnar.Float64), p.Config.Get("alpha").Float
		out := p.Add("ewma", columnar.Type{Kind: columnar.Float64, Nullable: true})
		return func(r *operators.Row) error {
			average, known := r.StateFloat()
			switch {
			case !r.IsNull(of) && known:
				average = alpha*r.Float(of) + (1-alpha)*average
			case !r.IsNull(of):
				average = r.Float(of)
			case !known: // nothing but nulls so far
				return nil
			}
			r.SetStateFloat(average)
			r.SetFloat(out, average)
			return nil
		}
	},
})
