package builtin

import (
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// aggregate is a running instance. Its state, in space 0, is one table per window,
// named by the window's end, with a row per key; functions that keep elements have
// further spaces. Closing a window drops it from all of them.
//
// A batch goes through in columns: arguments are evaluated for all rows, rows are
// sorted by window (nearly always there is one), the keys of a window's rows are
// looked up in one call, and each accumulator then runs over the slots found.
type aggregate struct {
	windows  windows
	compute  *computation
	accs     []accumulator
	distinct []*distinct // those of accs that keep elements
	eval     *evaluator
	grouper  grouper
	part     part
	closing  closing

	tables    *statestore.Tables
	watermark int64 // the last one; only to notice rows behind it
}

func newAggregate(output *columnar.Schema, by []columnar.Column, w windows, c *computation) *aggregate {
	a := &aggregate{windows: w, compute: c, accs: c.accumulators(), eval: newEvaluator(c.programs), watermark: math.MinInt64}
	for _, acc := range a.accs {
		if d, ok := acc.(*distinct); ok {
			a.distinct = append(a.distinct, d)
		}
	}
	a.closing = newClosing(output, by, w)
	return a
}

func (a *aggregate) Open(ctx *operators.Context) error {
	if ctx.State == nil {
		return errors.New("aggregate: opened without state")
	}
	var err error
	if a.tables, err = ctx.State.Tables(rowSpace, a.compute.layout); err != nil {
		return err
	}
	for _, d := range a.distinct {
		if err := d.open(ctx.State); err != nil {
			return err
		}
	}
	return nil
}

func (a *aggregate) Process(_ int, b *columnar.Batch, out operators.Output) error {
	if b.EventTime == nil || b.Keys == nil {
		return errors.New("aggregate: a batch without event time or keys")
	}
	args, sel, err := a.eval.run(b, out)
	if err != nil || len(sel) == 0 {
		return err
	}
	groups, err := a.grouper.group(a.windows, b.EventTime, sel)
	if err != nil {
		return err
	}
	for _, g := range groups {
		for i := range a.windows.overlap() {
			if err := a.add(b, g.rows, g.firstEnd+i*a.windows.slide, args); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes rows into the window with the given end.
func (a *aggregate) add(b *columnar.Batch, rows []int32, end int64, args []arrow.Array) error {
	if a.windows.due(end, a.watermark) {
		return fmt.Errorf("aggregate: a row for the window that ends at %d us came behind the watermark %d us; the operator in front emits late rows", end, a.watermark)
	}
	p := &a.part
	p.end, p.keys, p.rows = end, b.Keys, rows
	p.table = a.tables.At(end)
	if cap(p.slots) < len(rows) {
		p.slots = make([]statestore.Slot, max(len(rows), b.Rows))
	}
	p.slots = p.slots[:len(rows)]
	if err := p.table.Upsert((*statestore.Keys)(b.Keys), rows, p.slots); err != nil {
		return err
	}
	for i, acc := range a.accs {
		var arg arrow.Array
		if at := a.compute.calls[i].arg; at >= 0 {
			arg = args[at]
		}
		if err := acc.add(p, arg); err != nil {
			return err
		}
	}
	return nil
}

// Watermark emits and drops the windows that are final, by ascending end.
func (a *aggregate) Watermark(t int64, out operators.Output) error {
	a.watermark = t
	for {
		end, any := a.tables.First()
		if !any || !a.windows.due(end, t) {
			return nil
		}
		if err := a.closing.emit(a.tables.At(end), end, a.accs, out); err != nil {
			return err
		}
		a.tables.Drop(end)
		for _, d := range a.distinct {
			d.drop(end)
		}
	}
}

func (a *aggregate) Timer(int32, []byte, int64, operators.Output) error { return nil }

func (a *aggregate) Close() error { return nil }
