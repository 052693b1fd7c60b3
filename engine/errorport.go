package engine

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
)

// failureSink takes the rows that fail in one chain, applies each node's policy
// and turns the routed ones into rows of dsl.ErrorSchema. It collects them per
// node and pushes them on at flush, because a row may fail in the middle of
// another node's call.
//
// Failing is meant to be rare: nothing here is fast.
type failureSink struct {
	routes map[*dsl.Node]*port // each node's error port or the pipeline's
	stats  map[*dsl.Node]*nodeStats
	rows   map[*dsl.Node]*errorRows
	order  []*dsl.Node // nodes with rows waiting, in order of their first failure
	depth  int         // of the error rows that flush is pushing; 0 outside of it
	err    error       // the first failure of a node whose policy is to fail
}

// RowFailure is what Run returns when a row fails at a node whose policy is
// `fail`, or when more rows fail than the policy's rate allows.
type RowFailure struct {
	Node   string
	Source string // the split and offset of the row, if they are known
	Cause  error
	Rate   float64 // the rate that was exceeded; 0 if the policy is to fail at once
}

func (f *RowFailure) Error() string {
	where := f.Node
	if f.Source != "" {
		where += ", row " + f.Source
	}
	if f.Rate > 0 {
		return fmt.Sprintf("%s: more than %g%% of the rows fail, the last one with: %v; nothing of this epoch was committed (raise on_error.max_rate, or mend the input)", where, f.Rate*100, f.Cause)
	}
	return fmt.Sprintf("%s: %v; nothing of this epoch was committed (set on_error: route to send such rows to the error port)", where, f.Cause)
}

func (f *RowFailure) Unwrap() error { return f.Cause }

type errorRows struct {
	cols  []*columnar.Buffer
	depth int // 1: rows that failed; 2: error rows that failed; and so on
}

func newErrorRows() *errorRows {
	r := &errorRows{}
	for _, c := range dsl.ErrorSchema.Columns {
		r.cols = append(r.cols, columnar.NewBuffer(c.Type, 16))
	}
	return r
}

// row records a row that had decoded and failed at a node.
func (s *failureSink) row(node *dsl.Node, b *columnar.Batch, row int32, cause error) {
	s.take(node, cause, origin(b, row), func(r *errorRows) {
		r.origin(b.Pos, row)
		if b.EventTime != nil {
			r.cols[5].AppendInt64(b.EventTime[row])
		} else {
			r.cols[5].AppendNull()
		}
		r.cols[6].AppendNull()
		r.cols[7].AppendNull()
		r.cols[8].AppendBytes(rowJSON(b, row))
	})
}

// undecoded records a source's record that is not a row.
func (s *failureSink) undecoded(node *dsl.Node, split connectors.Split, e connectors.DecodeError) {
	s.take(node, e.Err, fmt.Sprintf("%s@%d", split.ID, e.Offset), func(r *errorRows) {
		r.cols[2].AppendString(node.Name)
		r.cols[3].AppendString(split.ID)
		r.cols[4].AppendInt64(e.Offset)
		r.cols[5].AppendNull()
		appendOrNull(r.cols[6], e.Key)
		appendOrNull(r.cols[7], e.Raw)
		r.cols[8].AppendNull()
	})
}

func (s *failureSink) take(node *dsl.Node, cause error, at string, fill func(*errorRows)) {
	stats := s.stats[node]
	failed := stats.errors.add(1)
	policy := node.OnError
	if policy.Action == dsl.Fail {
		s.fail(&RowFailure{Node: node.Name, Source: at, Cause: cause})
		return
	}
	if seen := stats.in.load(); policy.MaxRate > 0 && seen >= dsl.PolicyMinRows && float64(failed) > policy.MaxRate*float64(seen) {
		s.fail(&RowFailure{Node: node.Name, Source: at, Cause: cause, Rate: policy.MaxRate})
		return
	}
	stats.lastError.Store(&rowErrorText{at: at, cause: cause.Error()})
	if policy.Action == dsl.Drop || s.routes[node] == nil {
		return
	}
	if s.depth > len(s.routes) {
		s.fail(&RowFailure{Node: node.Name, Source: at, Cause: fmt.Errorf("its error rows come back to it and fail again: %w", cause)})
		return
	}
	r := s.rows[node]
	if r == nil {
		r = newErrorRows()
		s.rows[node] = r
	}
	r.depth = max(r.depth, s.depth+1)
	if r.cols[0].Len() == 0 {
		s.order = append(s.order, node)
	}
	r.cols[0].AppendString(node.Name)
	r.cols[1].AppendString(cause.Error())
	fill(r)
}

func (s *failureSink) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// flush pushes the collected rows to their ports. An error row may fail in its
// turn; one that goes round, such as at a sink that cannot encode the error rows of
// its own, stops the pipeline.
func (s *failureSink) flush() error {
	defer func() { s.depth = 0 }()
	for len(s.order) > 0 && s.err == nil {
		node := s.order[0]
		s.order = s.order[1:]
		r := s.rows[node]
		b := &columnar.Batch{Schema: dsl.ErrorSchema, Rows: r.cols[0].Len()}
		for _, c := range r.cols {
			b.Cols = append(b.Cols, c.Array())
		}
		delete(s.rows, node) // the batch owns the buffers now
		s.depth = r.depth
		if err := s.routes[node].push(b); err != nil {
			return err
		}
	}
	return s.err
}

func (r *errorRows) origin(p *columnar.Positions, row int32) {
	if p == nil {
		for _, c := range r.cols[2:5] {
			c.AppendNull()
		}
		return
	}
	r.cols[2].AppendString(p.Source)
	r.cols[3].AppendString(p.Split)
	r.cols[4].AppendInt64(p.Offset[row])
}

func origin(b *columnar.Batch, row int32) string {
	if b.Pos == nil {
		return ""
	}
	return fmt.Sprintf("%s@%d", b.Pos.Split, b.Pos.Offset[row])
}

func appendOrNull(c *columnar.Buffer, v []byte) {
	if v == nil {
		c.AppendNull()
		return
	}
	c.AppendBytes(v)
}

// rowJSON is a row as a JSON object, without the columns that an exchange left
// behind because nobody reads them. Bytes are base64, timestamps RFC 3339;
// floats that JSON has no number for are strings.
func rowJSON(b *columnar.Batch, row int32) []byte {
	out := []byte{'{'}
	for i, col := range b.Schema.Columns {
		if b.Cols[i] == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(col.Name)
		out = append(append(out, name...), ':')
		v, err := json.Marshal(plain(b.Cols[i], col.Type.Kind, int(row)))
		if err != nil {
			v = []byte("null")
		}
		out = append(out, v...)
	}
	return append(out, '}')
}

func plain(a arrow.Array, kind columnar.Kind, row int) any {
	if a.IsNull(row) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(row)
	case *array.Int64:
		return a.Value(row)
	case *array.Float64:
		if v := a.Value(row); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
		return a.Value(row)
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(row))).UTC().Format(time.RFC3339Nano)
	case *array.String:
		if v := a.Value(row); kind == columnar.JSON && json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
		return a.Value(row)
	case *array.Binary:
		return base64.StdEncoding.EncodeToString(a.Value(row))
	}
	return nil
}
