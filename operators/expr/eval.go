package expr

import (
	"fmt"
	"sort"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/expr-lang/expr/vm"

	"github.com/millrace/millrace/operators/columnar"
)

// Eval evaluates a Program. It owns the scratch memory, so it belongs to one
// goroutine; make one per operator instance.
type Eval struct {
	p *Program

	// The batch of the current call.
	b    *columnar.Batch
	n    int   // rows in the columns
	cols []vec // loaded columns, by index in the schema
	have []bool
	now  int64 // now(), read once per call; 0 means not yet

	// Variables of let, by slot.
	vars    []vec
	rowVars []value

	// Scratch.
	ints   pool[int64]
	floats pool[float64]
	bytes  pool[uint8]
	texts  pool[string]
	sels   pool[int32]
	all    []int32 // 0, 1, 2, …
	arena  []byte  // text that was computed in this call

	maxText int  // maxBatchText
	tooMuch bool // the text of this call exceeds maxText

	// Faults of this call.
	failed []uint8 // by row; nil until the first fault
	errs   RowErrors

	out output
	vm  vm.VM
}

// New makes an evaluator with its own scratch memory.
func (p *Program) New() *Eval {
	n := len(p.schema.Columns)
	return &Eval{p: p, maxText: maxBatchText, cols: make([]vec, n), have: make([]bool, n),
		vars: make([]vec, p.slots), rowVars: make([]value, p.slots)}
}

// Run computes the expression for the rows of b.Sel. The array is b.Rows long and
// of type Type().Arrow(); rows outside b.Sel and rows in the errors hold nothing
// of meaning. The array is lent until the next call of Run or Filter on this Eval
// (or is one of b.Cols, if the expression is just a column) and must not be kept.
//
// The error is for a batch that does not fit the schema that the program was
// compiled against, or for more than 256 MiB of computed text, which a smaller batch
// may stay below; row faults are RowErrors.
func (e *Eval) Run(b *columnar.Batch) (arrow.Array, *RowErrors, error) {
	return e.run(b, e.p.mode)
}

func (e *Eval) run(b *columnar.Batch, mode Mode) (arrow.Array, *RowErrors, error) {
	if err := e.begin(b); err != nil {
		return nil, nil, err
	}
	if c, ok := e.p.root.(*column); ok {
		return b.Cols[c.index], nil, nil
	}
	var v vec
	if mode == Columns {
		v = e.p.root.columns(e, b.Sel)
	} else {
		v = e.rowByRow(b.Sel)
	}
	defer e.release(&v)
	if e.tooMuch {
		return nil, nil, e.wrap(errTooMuchText)
	}
	arr, err := e.out.array(e, &v, e.p.root.info().t.kind, b.Sel)
	if err != nil {
		return nil, nil, e.wrap(err)
	}
	return arr, e.end(), nil
}

// Filter is the rows of b.Sel for which a boolean program is true (not false, not
// null, not failed), ascending. They are written into the memory of into, which
// may be nil, is grown as needed, and must not be b.Sel.
func (e *Eval) Filter(b *columnar.Batch, into []int32) ([]int32, *RowErrors, error) {
	return e.runFilter(b, into, e.p.mode)
}

func (e *Eval) runFilter(b *columnar.Batch, into []int32, mode Mode) ([]int32, *RowErrors, error) {
	if k := e.p.root.info().t.kind; k != kBool {
		return nil, nil, fmt.Errorf("filter by %q: the expression is %s, not bool", clip(e.p.text, 200), k)
	}
	if err := e.begin(b); err != nil {
		return nil, nil, err
	}
	var sel []int32
	if mode == Columns {
		sel = e.filter(e.p.root, b.Sel)
	} else {
		v := e.rowByRow(b.Sel)
		sel = e.whereTrue(&v, b.Sel)
		e.release(&v)
	}
	into = append(into[:0], e.dropFailed(sel)...)
	e.sels.put(sel)
	if e.tooMuch {
		return nil, nil, e.wrap(errTooMuchText)
	}
	return into, e.end(), nil
}

// begin checks the batch and forgets the last call.
func (e *Eval) begin(b *columnar.Batch) error {
	if len(b.Cols) != len(e.cols) {
		return e.wrap(fmt.Errorf("the batch has %d columns, the program was compiled for %d", len(b.Cols), len(e.cols)))
	}
	for _, c := range e.p.reads {
		if err := checkColumn(b, c, e.p.schema.Columns[c]); err != nil {
			return e.wrap(err)
		}
	}
	for _, c := range e.p.reads {
		if e.have[c] {
			e.release(&e.cols[c])
			e.have[c] = false
		}
	}
	e.out.giveBack(e)
	e.b, e.n, e.now, e.tooMuch = b, b.Rows, 0, false
	e.sels.least = b.Rows + 1
	if e.arena = e.arena[:0]; cap(e.arena) > maxKeptText {
		e.arena = nil
	}
	e.errs.List = e.errs.List[:0]
	if e.failed != nil {
		e.bytes.put(e.failed)
		e.failed = nil
	}
	return nil
}

// wrap is the error of a whole batch.
func (e *Eval) wrap(err error) error {
	return fmt.Errorf("evaluate %q: %w", clip(e.p.text, 200), err)
}

// end sorts the faults; nil if there were none.
func (e *Eval) end() *RowErrors {
	if len(e.errs.List) == 0 {
		return nil
	}
	sort.Slice(e.errs.List, func(i, j int) bool { return e.errs.List[i].Row < e.errs.List[j].Row })
	return &e.errs
}

// dropFailed removes the rows that failed, in place. A node such as `x == nil` is
// true or false whatever became of x.
func (e *Eval) dropFailed(rows []int32) []int32 {
	if e.failed == nil {
		return rows
	}
	k := 0
	for _, i := range rows {
		rows[k] = i
		k += int(e.failed[i] ^ 1)
	}
	return rows[:k]
}

// rowByRow evaluates with the row interpreter.
func (e *Eval) rowByRow(sel []int32) vec {
	root := e.p.root
	out := e.newVec(root.info().t.kind.lane())
	text := 0
	for _, i := range e.rows(sel) {
		v, fault := root.row(e, i)
		if fault != nil {
			e.addFault(i, fault)
			v = nullValue
		}
		if text += len(v.s); text > e.maxText {
			e.tooMuch, v = true, nullValue
		}
		e.set(&out, i, v)
	}
	return out
}

// fail reports a fault of row i at node n, unless the row has failed before.
func (e *Eval) fail(n *base, i int32, msg string) {
	if e.failed != nil && e.failed[i] != 0 {
		return
	}
	e.addFault(i, e.fault(n, msg))
}

func (e *Eval) addFault(i int32, f *Fault) {
	if e.failed == nil {
		e.failed = e.zeroed()
	}
	e.failed[i] = 1
	e.errs.List = append(e.errs.List, RowError{Row: i, Err: f})
}

func (e *Eval) fault(n *base, msg string) *Fault {
	return &Fault{Text: e.p.text, From: n.from, To: n.to, Msg: msg}
}

// filter is the rows of sel where n is true, in a slice from e.sels.
func (e *Eval) filter(n node, sel []int32) []int32 {
	if f, ok := n.(filterer); ok {
		return f.filter(e, sel)
	}
	v := n.columns(e, sel)
	out := e.whereTrue(&v, sel)
	e.release(&v)
	return out
}

// whereTrue is the rows of sel where a boolean column is true.
func (e *Eval) whereTrue(v *vec, sel []int32) []int32 {
	rows := e.rows(sel)
	out := e.sels.get(len(rows) + 1)
	k := 0
	for _, i := range rows {
		out[k] = i
		k += int(v.tri[i&v.mask] & 1)
	}
	return out[:k]
}

// clock is now() of this call in microseconds.
func (e *Eval) clock() int64 {
	if e.now == 0 {
		e.now = time.Now().UnixMicro()
	}
	return e.now
}
