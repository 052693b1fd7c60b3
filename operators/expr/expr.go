// Package expr compiles the expressions of a pipeline and evaluates them over
// batches.
//
// The text is expr-lang's, parsed by its parser. Types and meaning are ours and
// are written down in docs/expressions.md: int64 and float64 compared exactly,
// `/` is float, overflow and bad casts are row errors, every operation on null is
// null except `== nil` and `!= nil`, and/or/not are three-valued.
//
// A program is compiled once against a schema and is immutable; each operator
// instance makes an Eval of its own, which holds the scratch memory:
//
//	p, err := expr.Compile(`price * 2 > limit and kind == "click"`, schema, expr.Options{Deterministic: true})
//	...
//	ev := p.New()
//	sel, rowErrs, err := ev.Filter(batch, sel)
//
// The package does not know operators, pipelines or YAML. It does not evaluate
// aggregate calls such as sum(price); ParseCall takes those apart.
package expr

import (
	"github.com/millrace/millrace/operators/columnar"
)

// Limits on what Compile accepts, so that a hostile expression costs little.
const (
	MaxSourceBytes  = 16 << 10 // length of the text
	MaxNodes        = 10_000   // nodes of the syntax tree
	MaxDepth        = 64       // nesting; a chain of operators of one level is not nesting
	MaxPatternBytes = 1 << 10  // length of a regular expression
	MaxValueBytes   = 1 << 20  // length of a string that repeat, replace or concat may build
)

// Options say what an expression may use and must yield. The zero value allows
// everything and wants nothing.
type Options struct {
	// Deterministic refuses now(): the result must depend on the row alone.
	Deterministic bool
	// Want is the kind that the expression must have, for instance Bool for a
	// filter. Invalid means any. An int64 expression is accepted for Float64 and
	// converted.
	Want columnar.Kind

	noFold bool // in tests: leave operations on constants to the evaluation
}

// Mode says how a program is evaluated.
type Mode string

// The modes of evaluation.
const (
	Columns Mode = "columns" // loops over whole columns
	Rows    Mode = "rows"    // row by row, because a part needs expr's own virtual machine
)
