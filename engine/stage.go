package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// stage is a keyed operator in a running generation: its tasks, and who owns
// which state partition.
type stage struct {
	partitions int     // state partitions
	owner      []int32 // task of each state partition
	tasks      []*task
}

// task runs a keyed operator over a set of state partitions, one goroutine.
//
//  1. State at a barrier is that of whole epochs: a sender whose barrier has come
//     is not read until the epoch is decided.
//  2. Changes reach the changelog inside the epoch's transaction and become final
//     in memory only once it has committed.
//  3. The operator sees the least watermark of its senders, and what it emits at
//     a watermark leaves before the watermark does.
type task struct {
	node  *dsl.Node
	index int
	inbox *inbox
	chain *chain
	gate  *gate
	op    operators.Operator
	out   *nodeOutput
	view  *statestore.View
	state *statestore.Task
	min   *minimum

	suspect       *suspect // watched after a failure
	checkpointing bool     // a checkpoint of this task is being written in slices

	log     changelogWriter                                    // of the epoch
	current func() *barrierRequest                             // the coordinator's open barrier
	after   func(ctx context.Context, t *task, e *epoch) error // between epochs: checkpoints
}

// changelogWriter takes the state's changes into the epoch's transaction.
type changelogWriter func(partition int32, key, value []byte) error

// run takes messages until ctx ends.
func (t *task) run(ctx context.Context) error {
	// The watch outlives the task: senders may be waiting for room in the inbox of a
	// task that has failed. Every generation's ctx ends.
	t.inbox.closeOn(ctx)
	for {
		sender, m, aligned, err := t.inbox.take()
		if err != nil {
			return err
		}
		switch m.kind {
		case rowsKind:
			err = t.process(m.input, m.rows.batch)
			m.rows.release()
		case watermarkKind:
			if t.min.set(sender, m.watermark) {
				err = t.advance(t.min.min)
			}
		case barrierKind:
			if aligned {
				err = t.endEpoch(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (t *task) process(input int, b *columnar.Batch) error {
	if t.suspect.careful.Load() {
		return t.processCarefully(input, b)
	}
	if err := guard(t.node, func() error { return t.op.Process(input, b, t.out) }); err != nil {
		return err
	}
	return t.chain.fails.flush()
}

// processCarefully feeds rows one by one after a failure. The row that fails is
// remembered by its origin, the epoch is aborted once more (the row may have
// changed state half-way), and the next try sends the row to the error port.
func (t *task) processCarefully(input int, b *columnar.Batch) error {
	err := eachRow(b, func(one *columnar.Batch, row int32) error {
		at := rowID(input, b, row)
		if cause, known := t.suspect.skip[at]; known {
			t.out.RowError(b, row, cause)
			return nil
		}
		err := guard(t.node, func() error { return t.op.Process(input, one, t.out) })
		if cause, own := asNodeFailure(err, t.node); own {
			return &poisonRow{node: t.node, at: at, row: origin(b, row), cause: cause}
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.chain.fails.flush()
}

// rowID names a row from one try of an epoch to the next; "" if its origin is not
// known. Splits of two sources may have the same name.
func rowID(input int, b *columnar.Batch, row int32) string {
	if b.Pos == nil {
		return ""
	}
	return fmt.Sprintf("%d/%s/%s", input, b.Pos.Source, origin(b, row))
}

// suspect is what the engine remembers about a node that failed, from one try of
// an epoch to the next.
type suspect struct {
	careful atomic.Bool      // feed rows one by one, until the epoch has committed
	skip    map[string]error // origins of rows that made it fail; written between tries only
}

// poisonRow is a row that makes an operator fail whenever it is processed.
type poisonRow struct {
	node  *dsl.Node
	at    string // its rowID, "" if the row's origin is not known
	row   string // where it comes from, for people
	cause error
}

func (p *poisonRow) Error() string {
	return fmt.Sprintf("operator %s (%s): row %s: %v", p.node.Name, p.node.Verb, p.row, p.cause)
}

func (p *poisonRow) Unwrap() error { return p.cause }

// advance lets timers and windows up to w fire, then passes the watermark on.
func (t *task) advance(w int64) error {
	for {
		partition, at, key, ok, err := t.view.PopTimer(w)
		if err != nil {
			return fmt.Errorf("operator %s: timers: %w", t.node.Name, err)
		}
		if !ok {
			break
		}
		if err := guard(t.node, func() error { return t.op.Timer(partition, key, at, t.out) }); err != nil {
			return err
		}
	}
	if err := guard(t.node, func() error { return t.op.Watermark(w, t.out) }); err != nil {
		return err
	}
	if err := t.chain.fails.flush(); err != nil {
		return err
	}
	if timing := t.node.Op.Timing; timing != nil {
		w = subtractTime(w, timing.Hold)
	}
	return t.chain.watermark(w)
}

// endEpoch passes the barrier on, writes the epoch's state changes and waits for
// the outcome.
func (t *task) endEpoch(ctx context.Context) error {
	req := t.current()
	if err := t.chain.barrier(); err != nil {
		return err
	}
	changed := false
	err := t.state.Changes(func(partition int32, key, value []byte) error {
		changed = true
		return t.log(partition, key, value)
	})
	if err != nil {
		return fmt.Errorf("operator %s: write changelog: %w", t.node.Name, err)
	}
	req.meet.task(changed)
	if err := req.epoch.wait(ctx); err != nil {
		return err
	}
	t.state.Commit()
	if err := t.after(ctx, t, req.epoch); err != nil {
		return err
	}
	t.inbox.release()
	return nil
}
