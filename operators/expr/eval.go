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

	// Faults of this call.
	failed []uint8 // by row; nil until the first fault
	errs   RowErrors

	out output
	vm  vm.VM
}

// New makes an evaluator with its own scratch memory.
func (p *Program) New() *Eval {
	n := len(p.schema.Columns)
	return &Eval{p: p, cols: make([]vec, n), have: make([]bool, n),
		vars: make([]vec, p.slots), rowVars: make([]value, p.slots)}
}

// Run computes the expression for the rows of b.Sel. The array is b.Rows long and
// of type Type().Arrow(); rows outside b.Sel and rows in the errors hold nothing
// of meaning. The array is lent until the next call of Run or Filter on this Eval
// (or is one of b.Cols, if the expression is just a column) and must not be kept.
//
// The error is for a batch that does not fit the schema that the program was
// compiled against, or a result above Arrow's 2 GiB; row faults are RowErrors.
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
	arr, err := e.out.array(e, &v, e.p.root.info().t.kind, b.Sel)
	e.release(&v)
	return arr, e.end(), err
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
	return into, e.end(), nil
}

// begin checks the batch and forgets the last call.
func (e *Eval) begin(b *columnar.Batch) error {
	if len(b.Cols) != len(e.cols) {
		return fmt.Errorf("evaluate %q: the batch has %d columns, the program was compiled for %d", clip(e.p.text, 200), len(b.Cols), len(e.cols))
	}
	for _, c := range e.p.reads {
		if err := checkColumn(b, c, e.p.schema.Columns[c]); err != nil {
			return fmt.Errorf("evaluate %q: %w", clip(e.p.text, 200), err)
		}
	}
	for _, c := range e.p.reads {
		if e.have[c] {
			e.release(&e.cols[c])
			e.have[c] = false
		}
	}
	e.out.giveBack(e)
	e.b, e.n, e.now = b, b.Rows, 0
	e.arena = e.arena[:0]
	e.errs.List = e.errs.List[:0]
	if e.failed != nil {
		e.bytes.put(e.failed)
		e.failed = nil
	}
	return nil
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
	for _, i := range e.rows(sel) {
		v, fault := root.row(e, i)
		if fault != nil {
			e.addFault(i, fault)
			v = nullValue
		}
		e.set(&out, i, v)
	}
	return out
}

// set writes one value into a vec of newVec.
func (e *Eval) set(out *vec, i int32, v value) {
	switch {
	case out.tri != nil:
		out.tri[i] = uint8(v.i)
		if v.null {
			out.tri[i] = triNull
		}
		return
	case out.ints != nil:
		out.ints[i] = v.i
	case out.floats != nil:
		out.floats[i] = v.f
	default:
		out.text[i] = v.s
	}
	if v.null {
		e.setNull(out, i)
	}
}

// rows is sel with nil spelt out. It is lent.
func (e *Eval) rows(sel []int32) []int32 {
	if sel != nil {
		return sel
	}
	for i := len(e.all); i < e.n; i++ {
		e.all = append(e.all, int32(i))
	}
	return e.all[:e.n]
}

// dense says whether a loop over all rows is cheaper than one over sel.
func (e *Eval) dense(sel []int32) bool { return sel == nil || 2*len(sel) >= e.n }

// newVec is a column of the lane with undefined values and no nulls.
func (e *Eval) newVec(l lane) vec {
	v := vec{mask: -1, own: ownValues}
	switch l {
	case laneInt:
		v.ints = e.ints.get(e.n)
	case laneFloat:
		v.floats = e.floats.get(e.n)
	case laneTri:
		v.tri = e.bytes.get(e.n)
	case laneText:
		v.text = e.texts.get(e.n)
	}
	return v
}

// release gives the owned slices of v back.
func (e *Eval) release(v *vec) {
	if v.own&ownValues != 0 {
		switch {
		case v.ints != nil:
			e.ints.put(v.ints)
		case v.floats != nil:
			e.floats.put(v.floats)
		case v.tri != nil:
			e.bytes.put(v.tri)
		case v.text != nil:
			e.texts.put(v.text)
		}
	}
	if v.own&ownNulls != 0 {
		e.bytes.put(v.nulls)
	}
	v.own = 0
}

// setNull makes row i of a column from newVec null. A mask that was lent by an
// operand is copied first.
func (e *Eval) setNull(v *vec, i int32) {
	if v.tri != nil {
		v.tri[i] = triNull
		return
	}
	if v.own&ownNulls == 0 {
		mask := e.zeroed()
		copy(mask, v.nulls)
		v.nulls, v.own = mask, v.own|ownNulls
	}
	v.nulls[i] = 1
}

// zeroed is a mask without nulls.
func (e *Eval) zeroed() []uint8 {
	m := e.bytes.get(e.n)
	clear(m)
	return m
}

// takeNulls gives out the rows where any of the operands is null. If one operand
// alone has nulls its mask is taken over, or lent if it is not the operand's own:
// what lends a mask (a column, a variable) outlives the result.
func (e *Eval) takeNulls(out *vec, args ...*vec) {
	var only *vec
	for _, a := range args {
		if a.nulls == nil && a.tri == nil {
			continue
		}
		if only != nil || a.tri != nil || a.mask == 0 {
			if out.nulls = e.nullsOf(args...); out.nulls != nil {
				out.own |= ownNulls
			}
			return
		}
		only = a
	}
	if only != nil {
		out.nulls, out.own = only.nulls, out.own|only.own&ownNulls
		only.own &^= ownNulls
	}
}

// nullsOf is the rows where any of the operands is null, as an owned mask; nil if
// there are none.
func (e *Eval) nullsOf(args ...*vec) []uint8 {
	var out []uint8
	for _, a := range args {
		from, shift := a.nulls, 0
		if a.tri != nil {
			from, shift = a.tri, 1
		}
		if from == nil || a.mask == 0 && from[0]>>shift == 0 {
			continue
		}
		if out == nil {
			out = e.zeroed()
		}
		if a.mask == 0 {
			for i := range out {
				out[i] = 1
			}
			continue
		}
		for i, x := range from[:len(out)] {
			out[i] |= x >> shift
		}
	}
	return out
}

// fail reports a fault of row i at node n.
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
	if e.failed[i] == 0 {
		e.failed[i] = 1
		e.errs.List = append(e.errs.List, RowError{Row: i, Err: f})
	}
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
