package engine

import (
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// scatter is the sending half of an exchange: it decides lateness, encodes each
// row's key, and copies the row to the task that owns the key's state partition.
//
// It scatters to tasks, not to state partitions: sixteen small batches would cost
// more than two large ones. Only columns that the operator reads are copied; the
// others are nil in the batch that arrives.
type scatter struct {
	node    *dsl.Node
	stage   *stage
	sender  int // this chain's index among the stage's senders
	late    *port
	stats   *nodeStats
	suspect *suspect

	inputs []scatterInput
	encode columnar.KeyEncoder
	keys   columnar.Keys
	rows   [][]int32 // per task, the rows that go there
	keep   []int32   // rows that are not late
	drop   []int32   // rows that are
	sent   int64     // the watermark that was sent last
}

// scatterInput is one input of the keyed operator as a consumer.
type scatterInput struct {
	s      *scatter
	index  int
	key    []int  // columns of the key
	carry  []bool // columns that are copied
	spares *spares
}

func newScatter(n *dsl.Node, st *stage, sender int, late *port, stats *nodeStats, sus *suspect) *scatter {
	s := &scatter{node: n, stage: st, sender: sender, late: late, stats: stats, suspect: sus, rows: make([][]int32, len(st.tasks)), sent: columnar.MinTime}
	for i, edges := range n.Inputs {
		schema := edgeSchema(edges[0])
		in := scatterInput{s: s, index: i, carry: make([]bool, len(schema.Columns))}
		for _, name := range n.Op.Key[i] {
			in.key = append(in.key, schema.Index(name))
		}
		in.mark(n.Op, schema, sus.careful.Load())
		in.spares = &spares{made: func() *carried { return newCarried(schema, in.carry) }}
		s.inputs = append(s.inputs, in)
	}
	return s
}

// mark chooses the columns to copy: those that the plan reads, all if it does
// not say or if a row is looked for that shall go to the error port whole.
func (in *scatterInput) mark(op *operators.Plan, schema *columnar.Schema, all bool) {
	if all || in.index >= len(op.Columns) || op.Columns[in.index] == nil {
		for c := range in.carry {
			in.carry[c] = true
		}
		return
	}
	for _, name := range op.Columns[in.index] {
		in.carry[schema.Index(name)] = true
	}
	for _, c := range in.key {
		in.carry[c] = true
	}
}

func edgeSchema(e dsl.Edge) *columnar.Schema {
	switch {
	case e.From == nil:
		return dsl.ErrorSchema
	case e.Port == mainPort:
		return e.From.Schema
	}
	return e.From.Ports[e.Port]
}

func (in *scatterInput) push(b *columnar.Batch) error {
	s := in.s
	s.stats.in.add(b.Len())
	b, err := s.divide(b)
	if err != nil || b.Len() == 0 {
		return err
	}
	s.encode.Encode(b, in.key, int32(s.stage.partitions), &s.keys)
	for t := range s.rows {
		s.rows[t] = s.rows[t][:0]
	}
	if b.Sel != nil {
		for _, i := range b.Sel {
			t := s.stage.owner[s.keys.Partition[i]]
			s.rows[t] = append(s.rows[t], i)
		}
	} else {
		for i := range int32(b.Rows) {
			t := s.stage.owner[s.keys.Partition[i]]
			s.rows[t] = append(s.rows[t], i)
		}
	}
	for t, rows := range s.rows {
		if len(rows) == 0 {
			continue
		}
		c := in.spares.get()
		c.fill(b, &s.keys, rows, s.node.Op.MayFail || s.suspect.careful.Load())
		if err := s.stage.tasks[t].inbox.put(s.sender, message{kind: rowsKind, input: in.index, rows: &c.message}); err != nil {
			return err
		}
	}
	return nil
}

// divide sends late rows to the late port and returns the others.
//
// A row with event time t, from a split whose watermark before the row was W, is
// accepted if W < FirstEnd(t) + Lateness. A stage's watermark is never above W,
// so whatever is accepted here is still in time at the operator, under any
// interleaving. This is the only place that decides it.
func (s *scatter) divide(b *columnar.Batch) (*columnar.Batch, error) {
	timing := s.node.Op.Timing
	if timing == nil || b.Before == nil || !s.node.DecidesLate {
		return b, nil
	}
	s.keep, s.drop = s.keep[:0], s.drop[:0]
	test := func(i int32) {
		if b.Before[i] < addTime(timing.FirstEnd(b.EventTime[i]), timing.Lateness) {
			s.keep = append(s.keep, i)
		} else {
			s.drop = append(s.drop, i)
		}
	}
	// Before is below the event time of most rows, and FirstEnd above it; only the
	// others need the division that FirstEnd does.
	quick := func(i int32) {
		if b.Before[i] <= b.EventTime[i] {
			s.keep = append(s.keep, i)
		} else {
			test(i)
		}
	}
	if b.Sel != nil {
		for _, i := range b.Sel {
			quick(i)
		}
	} else {
		for i := range int32(b.Rows) {
			quick(i)
		}
	}
	if len(s.drop) == 0 {
		return b, nil
	}
	s.stats.late.add(len(s.drop))
	if err := s.late.push(b.Select(s.drop)); err != nil {
		return nil, err
	}
	return b.Select(s.keep), nil
}

// addTime is t+d without wrapping above MaxTime.
func addTime(t, d int64) int64 {
	if r := t + d; r >= t {
		return r
	}
	return columnar.MaxTime
}

// watermark sends the chain's watermark to every task, if it rose.
func (s *scatter) watermark(t int64) error {
	if t <= s.sent {
		return nil
	}
	s.sent = t
	return s.all(message{kind: watermarkKind, watermark: t})
}

func (s *scatter) barrier() error {
	return s.all(message{kind: barrierKind})
}

func (s *scatter) all(m message) error {
	for _, t := range s.stage.tasks {
		if err := t.inbox.put(s.sender, m); err != nil {
			return err
		}
	}
	return nil
}
