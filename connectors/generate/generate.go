// Package generate is the source `generate`: rows made from a small description,
// the same rows for the same description, for examples, tests and benchmarks.
//
// Row n of a split depends on the seed, the split and n alone, so a position is
// just n: reading on from a position makes exactly the rows that were still to
// come.
package generate

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() { connectors.RegisterSource(Spec) }

// Spec declares the source.
var Spec = &connectors.SourceSpec{
	Name:    "generate",
	Summary: "Makes rows by itself, the same for the same description.",
	Doc: `Each field under ` + "`fields`" + ` is one column. ` + "`rows`" + ` bounds the source; without it rows come for ever.
With several ` + "`splits`" + ` each makes its share of the rows, as partitions of a topic would hold them.

A field of kind ` + "`time`" + ` starts at ` + "`start`" + ` and moves on by ` + "`step`" + ` per row of the whole source. ` + "`jitter`" + `
sets each row back by up to that much at random, and a share ` + "`late`" + ` of the rows by ` + "`late_by`" + ` on top: rows that
come out of order and rows that come too late.`,
	Fields: []spec.Field{
		{Name: "rows", Type: spec.Int, Min: "0", Doc: "how many rows to make over all splits; 0 or absent: no end"},
		{Name: "splits", Type: spec.Int, Default: "1", Min: "1", Max: "1024", Doc: "how many splits make them"},
		{Name: "rate", Type: spec.Int, Min: "0", Doc: "rows per second over all splits; 0 or absent: as fast as they are read"},
		{Name: "seed", Type: spec.Int, Default: "1", Doc: "another seed makes other rows"},
		{Name: "fields", Type: spec.List, Required: true, Doc: "the columns", Fields: fieldSpec},
	},
	Example: `clicks:
  generate:
    rows: 1000
    fields:
      - {name: ad, kind: choice, values: [a, b, c]}
      - {name: price, kind: int, min: 1, max: 100}
      - {name: at, kind: time, start: "2026-01-01T00:00:00Z", step: 10ms, jitter: 2s}
  event_time: {field: at, out_of_order: 2s}`,
	Plan: plan,
}

// options is the checked configuration.
type options struct {
	name   string
	rows   int64 // 0: no end
	splits int64
	rate   int64 // rows per second, 0: no limit
	seed   uint64
	fields []field
	schema *columnar.Schema
}

func plan(in connectors.SourceInput) (*connectors.SourcePlan, error) {
	o := &options{
		name: in.Name, rows: in.Config.Get("rows").Int, splits: in.Config.Get("splits").Int,
		rate: in.Config.Get("rate").Int, seed: uint64(in.Config.Get("seed").Int),
	}
	var columns []columnar.Column
	var faults spec.Errors
	for _, cfg := range in.Config.Get("fields").List {
		f, err := parseField(cfg)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		o.fields = append(o.fields, f)
		columns = append(columns, columnar.Column{Name: f.name, Type: f.typ})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	schema, err := columnar.NewSchema(columns...)
	if err != nil {
		return nil, spec.Errorf(in.Config.Get("fields").Pos, "duplicate-column", "%v", err)
	}
	if in.Schema != nil && !in.Schema.Equal(schema) {
		return nil, spec.Errorf(in.Config.Pos, "schema-mismatch", "the fields make %s, the schema says %s; leave the schema out", schema, in.Schema)
	}
	o.schema = schema
	return &connectors.SourcePlan{
		Schema: schema, Bounded: o.rows > 0,
		New: func(connectors.Env, []string) (connectors.Source, error) { return &source{o}, nil },
	}, nil
}

type source struct{ *options }

// Splits implements connectors.Source.
func (s *source) Splits(context.Context) ([]connectors.Split, error) {
	all := make([]connectors.Split, s.splits)
	for i := range all {
		all[i] = connectors.Split{ID: fmt.Sprint(i), Partition: int32(i)}
	}
	return all, nil
}

// Open implements connectors.Source.
func (s *source) Open(_ context.Context, split connectors.Split, pos []byte) (connectors.Reader, error) {
	r := &reader{options: s.options, split: int64(split.Partition), wait: time.NewTimer(0)}
	if pos != nil {
		if len(pos) != 8 {
			return nil, fmt.Errorf("position %x of split %s is not a row number", pos, split.ID)
		}
		r.row = int64(binary.BigEndian.Uint64(pos))
	}
	for _, f := range s.fields {
		r.cols = append(r.cols, columnar.NewBuffer(f.typ, batchRows))
	}
	r.began, r.first = time.Now(), r.row
	r.pos = columnar.Positions{Source: s.name, Split: split.ID, Partition: split.Partition}
	return r, nil
}

// Close implements connectors.Source.
func (s *source) Close() error { return nil }

// batchRows is the most rows of one read.
const batchRows = 2048

// reader makes the rows of one split. Row i of split s is row i*splits+s of the
// whole source.
type reader struct {
	*options
	split int64
	row   int64 // next
	cols  []*columnar.Buffer
	pos   columnar.Positions
	read  connectors.Read
	batch columnar.Batch

	wait  *time.Timer
	began time.Time
	first int64
}

// Read implements connectors.Reader.
func (r *reader) Read(ctx context.Context) (*connectors.Read, error) {
	left := int64(batchRows)
	if r.rows > 0 {
		left = min(left, r.share()-r.row)
		if left <= 0 {
			return nil, io.EOF
		}
	}
	n, err := r.due(ctx, left)
	if err != nil {
		return nil, err
	}
	for i := range r.cols {
		r.cols[i].Reset(r.fields[i].typ)
	}
	r.pos.Offset = r.pos.Offset[:0]
	for range n {
		global := r.row*r.splits + r.split
		rng := random(r.seed, uint64(global))
		for i := range r.fields {
			r.fields[i].append(r.cols[i], &rng, global)
		}
		r.pos.Offset = append(r.pos.Offset, r.row)
		r.row++
	}
	r.batch = columnar.Batch{Schema: r.schema, Rows: int(n), Pos: &r.pos}
	for _, c := range r.cols {
		r.batch.Cols = append(r.batch.Cols, c.Array())
	}
	r.read = connectors.Read{Batch: &r.batch, Next: binary.BigEndian.AppendUint64(nil, uint64(r.row))}
	return &r.read, nil
}

// share is how many rows this split makes.
func (r *reader) share() int64 {
	return (r.rows + r.splits - 1 - r.split) / r.splits
}

// due is how many rows may be made now; it waits until there is one, or for the
// linger.
func (r *reader) due(ctx context.Context, left int64) (int64, error) {
	if r.rate == 0 {
		return left, ctx.Err()
	}
	perSplit := float64(r.rate) / float64(r.splits)
	for {
		made := float64(r.row - r.first)
		if n := int64(time.Since(r.began).Seconds()*perSplit - made); n > 0 {
			return min(n, left), nil
		}
		next := time.Duration((made + 1) / perSplit * float64(time.Second))
		r.wait.Reset(min(next-time.Since(r.began), connectors.Linger))
		select {
		case <-r.wait.C:
			if next-time.Since(r.began) > 0 {
				return 0, nil // the linger is over
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Committed implements connectors.Reader.
func (r *reader) Committed(context.Context, []byte) error { return nil }

// Close implements connectors.Reader.
func (r *reader) Close() error {
	r.wait.Stop()
	return nil
}
