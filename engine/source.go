package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
)

// splitTask reads one split of a source and runs the chain behind it.
//
// It answers the coordinator's barrier between two reads: the epoch then holds
// exactly the rows before its position. A read that waits for rows is cut short
// by the barrier (readers promise to go on at the same row).
type splitTask struct {
	node   *dsl.Node
	split  connectors.Split
	key    splitKey
	reader connectors.Reader
	chain  *chain
	gate   *gate
	clock  *splitClock
	stats  *nodeStats
	pulse  pulse
	peers  *splitPeers
	// maxSkew is how far the split may run ahead of the slowest, microseconds; 0 is
	// no limit.
	maxSkew int64

	event eventTime

	// Since the last barrier:
	position  []byte
	rows      int64
	committed []byte // position to confirm to the reader, once the gate is open

	dirty   atomic.Bool  // something was read since the last barrier
	drained atomic.Bool  // the last read had nothing more behind it
	ended   atomic.Bool  // a bounded split was read to its end
	seen    atomic.Int64 // watermark, for progress and skew

	mu      sync.Mutex
	barrier *barrierRequest    // guarded by mu
	cut     context.CancelFunc // guarded by mu; ends the read in progress
}

type barrierRequest struct {
	epoch *epoch
	meet  *rendezvous
}

// ask hands the task a barrier; it answers through meet.
func (s *splitTask) ask(e *epoch, meet *rendezvous) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barrier = &barrierRequest{e, meet}
	if s.cut != nil {
		s.cut()
	}
}

// run reads until ctx ends.
func (s *splitTask) run(ctx context.Context) error {
	s.seen.Store(s.clock.watermark)
	if err := s.sendWatermark(); err != nil {
		return err
	}
	readCtx, cut := context.WithCancel(ctx)
	defer func() { cut() }()
	for {
		s.mu.Lock()
		req := s.barrier
		s.barrier = nil
		if req != nil || readCtx.Err() != nil {
			cut()
			readCtx, cut = context.WithCancel(ctx)
		}
		s.cut = cut
		s.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if req != nil {
			if err := s.endEpoch(req); err != nil {
				return err
			}
			continue
		}
		if err := s.step(ctx, readCtx); err != nil {
			return err
		}
	}
}

// step reads once and pushes what came.
func (s *splitTask) step(ctx, readCtx context.Context) error {
	if s.ended.Load() {
		<-readCtx.Done()
		return nil
	}
	if s.committed != nil && s.gate.open() {
		if err := s.reader.Committed(ctx, s.committed); err != nil {
			return fmt.Errorf("source %s, split %s: confirm position: %w", s.node.Name, s.split.ID, err)
		}
		s.committed = nil
	}
	if s.tooFarAhead() {
		pauseFor(readCtx, skewPause)
		return nil
	}
	rd, err := s.reader.Read(readCtx)
	switch {
	case errors.Is(err, io.EOF):
		return s.end()
	case err != nil && readCtx.Err() != nil:
		return nil // a barrier, or the end of the generation
	case err != nil:
		return fmt.Errorf("source %s, split %s: %w", s.node.Name, s.split.ID, err)
	}
	if err := s.deliver(rd); err != nil {
		return err
	}
	if drained := rd.AtEnd || rd.Batch == nil || rd.Batch.Rows == 0; drained != s.drained.Load() {
		s.drained.Store(drained)
	}
	s.pulse.beat()
	return nil
}

// skewPause is how long a split that is too far ahead waits before it looks again.
const skewPause = 5 * time.Millisecond

// tooFarAhead says that reading on would only open windows that the slowest split
// holds open.
func (s *splitTask) tooFarAhead() bool {
	if s.maxSkew == 0 || s.clock.watermark == columnar.MinTime {
		return false
	}
	return s.clock.watermark > addTime(s.peers.least(), s.maxSkew)
}

// pauseFor waits for d or the end of ctx.
func pauseFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// end closes a bounded split: nothing can come after it.
func (s *splitTask) end() error {
	s.ended.Store(true)
	s.drained.Store(true)
	s.clock.raise(columnar.MaxTime)
	if err := s.sendWatermark(); err != nil {
		return err
	}
	s.pulse.beat()
	return nil
}

// deliver pushes one read's rows, errors and watermark.
func (s *splitTask) deliver(rd *connectors.Read) error {
	rows := 0
	if rd.Batch != nil {
		rows = rd.Batch.Rows
	}
	s.stats.in.add(rows + len(rd.Errors)) // before any of them fails: the error policy compares
	if b := rd.Batch; rows > 0 {
		if b, err := s.event.assign(b, rd.Timestamps, s.clock, s.chain.fails, s.node); err != nil {
			return err
		} else if err := s.chain.push(s.node, mainPort, b); err != nil {
			return err
		}
	}
	for _, e := range rd.Errors {
		s.chain.fails.undecoded(s.node, s.split, e)
	}
	if err := s.chain.fails.flush(); err != nil {
		return err
	}
	if n := rows + len(rd.Errors); n > 0 {
		s.rows += int64(n)
		s.dirty.Store(true)
	}
	s.position = append(s.position[:0], rd.Next...)
	s.idle(rd.AtEnd)
	return s.sendWatermark()
}

// idle lets the clock move a silent split's watermark. The epoch commits it with
// the split's position, like what a row does to it.
func (s *splitTask) idle(atEnd bool) {
	now := time.Now()
	s.clock.tick(now, atEnd)
	if s.clock.watermark == columnar.MinTime && atEnd {
		s.clock.lean(now, s.peers.least())
	}
}

func (s *splitTask) sendWatermark() error {
	if s.clock.watermark == columnar.MinTime {
		return nil
	}
	s.seen.Store(s.clock.watermark)
	return s.chain.watermark(s.clock.watermark)
}

// endEpoch answers a barrier.
func (s *splitTask) endEpoch(req *barrierRequest) error {
	if err := s.gate.pass(); err != nil {
		return err
	}
	if err := s.chain.barrier(); err != nil {
		return err
	}
	report := splitReport{key: s.key, watermark: s.clock.watermark, rows: s.rows}
	if s.position != nil {
		report.position = append([]byte(nil), s.position...)
		s.committed = report.position
	}
	s.rows = 0
	s.dirty.Store(false)
	s.gate.prev = req.epoch
	req.meet.split(report)
	return nil
}

// eventTime gives rows their event time.
type eventTime struct {
	spec     *dsl.EventTime
	col      int        // the column that holds it; -1: the expression
	eval     *expr.Eval // of the expression
	maxAhead int64      // microseconds; 0: no limit
	times    []int64
	before   []int64
	sel      []int32
}

// assign returns b with EventTime and Before. Rows without an event time, or too
// far ahead of their record's own time, go to the error port. Without a declared
// event time b comes back as it is.
func (e *eventTime) assign(b *columnar.Batch, stamps []int64, clock *splitClock, fails *failureSink, node *dsl.Node) (*columnar.Batch, error) {
	if e.spec == nil {
		return b, nil
	}
	times, ok, err := e.evaluate(b, fails, node)
	if err != nil {
		return nil, err
	}
	c := *b
	if e.maxAhead > 0 && stamps != nil {
		ok = e.limit(b, times, stamps, ok, fails, node)
	}
	c.Sel = ok
	if cap(e.before) < b.Rows {
		e.before = make([]int64, b.Rows)
	}
	c.EventTime, c.Before = times, e.before[:b.Rows]
	if ok == nil {
		clock.observe(times, c.Before)
		return &c, nil
	}
	for _, i := range ok { // a row without an event time does not move the watermark
		clock.observe(times[i:i+1], c.Before[i:i+1])
	}
	return &c, nil
}

// evaluate finds the event times; ok is nil if every row has one.
func (e *eventTime) evaluate(b *columnar.Batch, fails *failureSink, node *dsl.Node) (times []int64, ok []int32, err error) {
	col := b.Cols[max(e.col, 0)]
	var failed *expr.RowErrors
	if e.col < 0 {
		if col, failed, err = e.eval.Run(b); err != nil {
			return nil, nil, fmt.Errorf("event time of source %s: %w", node.Name, err)
		}
	}
	values := col.(*array.Timestamp).TimestampValues()
	e.times = e.times[:0]
	for _, v := range values {
		e.times = append(e.times, int64(v))
	}
	if failed.Len() == 0 && col.NullN() == 0 && b.Sel == nil {
		return e.times, nil, nil
	}
	e.sel = e.sel[:0]
	err = eachRow(b, func(_ *columnar.Batch, row int32) error {
		switch cause := failed.Get(row); {
		case cause != nil:
			fails.row(node, b, row, fmt.Errorf("event time: %w", cause))
		case col.IsNull(int(row)):
			fails.row(node, b, row, errNoEventTime)
		default:
			e.sel = append(e.sel, row)
		}
		return nil
	})
	return e.times, e.sel, err
}

var errNoEventTime = errors.New("event time is null")

// limit refuses rows whose event time lies too far after their record's time:
// one clock that is wrong by years would close every window there is.
func (e *eventTime) limit(b *columnar.Batch, times, stamps []int64, ok []int32, fails *failureSink, node *dsl.Node) []int32 {
	var kept []int32
	all := b
	if ok != nil {
		all = b.Select(ok)
	}
	refused := false
	_ = eachRow(all, func(_ *columnar.Batch, row int32) error {
		if ahead := times[row] - stamps[row]; ahead > e.maxAhead {
			refused = true
			fails.row(node, b, row, fmt.Errorf("event time is %v after the record's own time, more than max_ahead allows", time.Duration(ahead)*time.Microsecond))
			return nil
		}
		kept = append(kept, row)
		return nil
	})
	if !refused {
		return ok
	}
	if kept == nil {
		kept = []int32{}
	}
	return kept
}
