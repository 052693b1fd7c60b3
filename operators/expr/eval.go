package expr

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
)

// Eval evaluates a Program. It owns the scratch memory, so it belongs to one
// goroutine; make one per operator instance.
type Eval struct {
	p *Program
}

// New makes an evaluator with its own scratch memory.
func (p *Program) New() *Eval { return &Eval{p: p} }

// Run computes the expression for the rows of b.Sel. The array is b.Rows long and
// of type Type().Arrow(); rows outside b.Sel and rows in the errors hold nothing
// of meaning. The array is lent until the next call of Run or Filter on this Eval
// (or is one of b.Cols, if the expression is just a column) and must not be kept.
//
// The error is for a batch that does not fit the schema that the program was
// compiled against, or a result above Arrow's 2 GiB; row faults are RowErrors.
func (e *Eval) Run(b *columnar.Batch) (arrow.Array, *RowErrors, error) { return nil, nil, nil }

// Filter is the rows of b.Sel for which a boolean program is true (not false, not
// null, not failed), ascending. They are written into the memory of into, which
// may be nil, is grown as needed, and must not be b.Sel.
func (e *Eval) Filter(b *columnar.Batch, into []int32) ([]int32, *RowErrors, error) {
	return nil, nil, nil
}
