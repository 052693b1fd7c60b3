// Package builtin holds the operators that come with Millrace: filter, map and
// aggregate. Importing it registers them:
//
//	import _ "github.com/millrace/millrace/operators/builtin"
//
// They use nothing that an operator of somebody else could not use; aggregate is
// the example of one that works on whole batches of state.
package builtin

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

// compile makes a program of an expression that begins at rune from of a
// configured text. Its fault stands where it is in the file.
func compile(v spec.Value, text string, from int, schema *columnar.Schema, want columnar.Kind) (*expr.Program, error) {
	p, err := expr.Compile(text, schema, expr.Options{Deterministic: true, Want: want})
	if err != nil {
		return nil, placed(v, from, err)
	}
	return p, nil
}

// placed turns a fault of package expr into one with a place in the file.
func placed(v spec.Value, from int, err error) error {
	var e *expr.Error
	if !errors.As(err, &e) {
		return spec.Errorf(v.Pos, "expression", "%s", err)
	}
	return &spec.Error{Pos: v.At(from + e.From), Msg: e.Msg, Hint: e.Hint, Rule: e.Rule}
}

// note is the line of explain about a program.
func note(prefix string, p *expr.Program) operators.Note {
	return operators.Note{Text: prefix + ": " + p.Text(), Mode: string(p.Mode())}
}

// columnsOf is the columns that the programs read and extra, each once, in the
// order of the schema; never nil.
func columnsOf(schema *columnar.Schema, programs []*expr.Program, extra ...string) []string {
	read := map[string]bool{}
	for _, p := range programs {
		for _, c := range p.Columns() {
			read[c] = true
		}
	}
	for _, c := range extra {
		read[c] = true
	}
	columns := []string{}
	for _, c := range schema.Names() {
		if read[c] {
			columns = append(columns, c)
		}
	}
	return columns
}

// anyMayFail says whether one of the programs can fail on a row.
func anyMayFail(programs []*expr.Program) bool {
	for _, p := range programs {
		if p.MayFail() {
			return true
		}
	}
	return false
}

// evaluator runs several programs over a batch and keeps track of the rows that
// are left: a row fails once, with the cause that came first.
type evaluator struct {
	evals []*expr.Eval
	arrs  []arrow.Array
	sel   []int32
	all   []int32
	lost  []bool // by physical row, of the current batch
}

func newEvaluator(programs []*expr.Program) *evaluator {
	e := &evaluator{arrs: make([]arrow.Array, len(programs))}
	for _, p := range programs {
		e.evals = append(e.evals, p.New())
	}
	return e
}

// run evaluates all programs, reports the rows that fail, and returns one array per
// program and the rows that are left. Both are lent until the next run.
func (e *evaluator) run(b *columnar.Batch, out operators.Output) ([]arrow.Array, []int32, error) {
	failed := 0
	for i, ev := range e.evals {
		arr, faults, err := ev.Run(b)
		if err != nil {
			return nil, nil, err
		}
		e.arrs[i] = arr
		if faults.Len() == 0 {
			continue
		}
		if failed == 0 {
			e.lost = append(e.lost[:0], make([]bool, b.Rows)...)
		}
		for _, f := range faults.List {
			if !e.lost[f.Row] {
				e.lost[f.Row] = true
				failed++
				out.RowError(b, f.Row, f.Err)
			}
		}
	}
	sel := e.rows(b)
	if failed == 0 {
		return e.arrs, sel, nil
	}
	e.sel = e.sel[:0]
	for _, i := range sel {
		if !e.lost[i] {
			e.sel = append(e.sel, i)
		}
	}
	return e.arrs, e.sel, nil
}

// rows is b.Sel with nil spelt out.
func (e *evaluator) rows(b *columnar.Batch) []int32 {
	if b.Sel != nil {
		return b.Sel
	}
	for i := len(e.all); i < b.Rows; i++ {
		e.all = append(e.all, int32(i))
	}
	return e.all[:b.Rows]
}

// stateless is what operators without state and time share.
type stateless struct{}

func (stateless) Open(*operators.Context) error                      { return nil }
func (stateless) Timer(int32, []byte, int64, operators.Output) error { return nil }
func (stateless) Watermark(int64, operators.Output) error            { return nil }
func (stateless) Close() error                                       { return nil }
