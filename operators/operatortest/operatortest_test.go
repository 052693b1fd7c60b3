package operatortest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

// caught runs the suite on an operator that breaks the contract and returns what the
// suite says.
func caught(t *testing.T, c Case) string {
	t.Helper()
	r := &recording{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != errFatal {
				panic(p)
			}
		}()
		Test(r, c)
	}()
	return r.said.String()
}

var errFatal = fmt.Errorf("fatal")

// recording is a testing.TB that keeps failures to itself.
type recording struct {
	testing.TB
	said strings.Builder
}

func (r *recording) Helper()                   {}
func (r *recording) Failed() bool              { return r.said.Len() > 0 }
func (r *recording) Errorf(f string, a ...any) { fmt.Fprintf(&r.said, f+"\n", a...) }
func (r *recording) Fatal(a ...any)            { r.Errorf("%s", fmt.Sprint(a...)); panic(errFatal) }
func (r *recording) Fatalf(f string, a ...any) { r.Errorf(f, a...); panic(errFatal) }

// bad is an operator made of functions.
type bad struct {
	open      func(*operators.Context)
	process   func(b *columnar.Batch, out operators.Output)
	watermark func(t int64, out operators.Output)
}

func (o *bad) Open(ctx *operators.Context) error {
	if o.open != nil {
		o.open(ctx)
	}
	return nil
}

func (o *bad) Process(_ int, b *columnar.Batch, out operators.Output) error {
	if o.process != nil {
		o.process(b, out)
	}
	return nil
}

func (o *bad) Watermark(t int64, out operators.Output) error {
	if o.watermark != nil {
		o.watermark(t, out)
	}
	return nil
}

func (o *bad) Timer(int32, []byte, int64, operators.Output) error { return nil }
func (o *bad) Close() error                                       { return nil }

// badCase is 60 rows over three keys and two splits, for a keyed operator.
func badCase(t *testing.T, change func(*operators.Plan), make func() *bad) Case {
	schema := Schema(t, "key: string, n: int64")
	c := Case{Schema: schema, Spec: &operators.Spec{Name: "bad", Plan: func(in operators.PlanInput) (*operators.Plan, error) {
		p := &operators.Plan{Output: schema, Key: [][]string{{"key"}}, KeepsEventTime: true,
			New: func() (operators.Operator, error) { return make(), nil }}
		if change != nil {
			change(p)
		}
		return p, nil
	}}}
	for i := range 60 {
		c.Rows = append(c.Rows, Row{Values: []any{string(rune('a' + i%3)), i}, At: int64(1000 + i), Split: int32(i % 2)})
	}
	return c
}

// emitOne sends one row of the bad operator's schema.
func emitOne(out operators.Output, key string, n, at int64) {
	k, v := columnar.NewBuffer(columnar.Type{Kind: columnar.String}, 1), columnar.NewBuffer(columnar.Type{Kind: columnar.Int64}, 1)
	k.AppendString(key)
	v.AppendInt64(n)
	schema, _ := columnar.NewSchema(columnar.Column{Name: "key", Type: k.Type}, columnar.Column{Name: "n", Type: v.Type})
	out.Emit(&columnar.Batch{Schema: schema, Rows: 1, Cols: []arrow.Array{k.Array(), v.Array()}, EventTime: []int64{at}})
}

func TestSuiteCatches(t *testing.T) {
	for _, c := range []struct {
		sin    string
		says   string
		change func(*operators.Plan)
		make   func() *bad
	}{
		{"state in the operator instead of the context", "differs from the plain run", nil, func() *bad {
			seen := map[string]int64{}
			o := &bad{}
			o.process = func(b *columnar.Batch, _ operators.Output) {
				for _, i := range selected(b) {
					seen[string(b.Keys.Key(i))]++
				}
			}
			o.watermark = func(t int64, out operators.Output) {
				for k, n := range seen {
					if t == columnar.MaxTime {
						emitOne(out, k, n, 100)
					}
				}
			}
			return o
		}},
		{"a batch that is kept", "differs from the plain run", nil, func() *bad {
			var kept []*array.Int64
			var rows [][]int32
			o := &bad{}
			o.process = func(b *columnar.Batch, _ operators.Output) {
				kept = append(kept, b.Cols[1].(*array.Int64))
				rows = append(rows, selected(b))
			}
			o.watermark = func(t int64, out operators.Output) {
				for j, a := range kept {
					for _, i := range rows[j] {
						emitOne(out, "k", a.Value(int(i)), t-1)
					}
				}
				kept, rows = nil, nil
			}
			return o
		}},
		{"output per batch", "differs from the plain run", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) { emitOne(out, "batch", 1, b.EventTime[selected(b)[0]]) }}
		}},
		{"a batch that is written to", "wrote to the batch", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, _ operators.Output) { b.EventTime[0]++ }}
		}},
		{"rows that are not selected", "which is not selected", func(p *operators.Plan) { p.MayFail = true }, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) {
				for i := range b.Rows {
					out.RowError(b, int32(i), errFatal)
				}
			}}
		}},
		{"an error that the plan denies", "may not fail", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) { out.RowError(b, selected(b)[0], errFatal) }}
		}},
		{"results behind the watermark", "Timing.Hold is too small", func(p *operators.Plan) {
			p.Key = nil // one instance
			p.Timing = &operators.Timing{FirstEnd: func(t int64) int64 { return t + 1 }}
		}, func() *bad {
			return &bad{watermark: func(t int64, out operators.Output) {
				if t == columnar.MaxTime {
					emitOne(out, "k", 1, 0)
				}
			}}
		}},
		{"a schema that was not planned", "the plan says", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) {
				c := *b
				c.Schema, c.Cols = &columnar.Schema{Columns: b.Schema.Columns[:1]}, b.Cols[:1]
				out.Emit(&c)
			}}
		}},
		{"null where the type has none", "emitted null in column n", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) {
				c := *b
				c.Cols = []arrow.Array{b.Cols[0], columnar.NullArray(columnar.Type{Kind: columnar.Int64}, b.Rows)}
				out.Emit(&c)
			}}
		}},
		{"event time that is lost", "event times", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) {
				c := *b
				c.EventTime = nil
				out.Emit(&c)
			}}
		}},
		{"a port that was not planned", "does not declare that port", nil, func() *bad {
			return &bad{process: func(b *columnar.Batch, out operators.Output) { out.EmitTo("side", b) }}
		}},
		{"class exact claimed for an order of arrival", "differs from the plain run", nil, func() *bad {
			var ctx *operators.Context
			return &bad{
				open: func(c *operators.Context) { ctx = c },
				process: func(b *columnar.Batch, out operators.Output) {
					for _, i := range selected(b) {
						key := b.Keys.Key(i)
						if first, _ := ctx.State.Get(b.Keys.Partition[i], 0, key); first == nil {
							ctx.State.Put(b.Keys.Partition[i], 0, key, []byte{1})
							out.Emit(b.Select([]int32{i}))
						}
					}
				}}
		}},
	} {
		t.Run(c.sin, func(t *testing.T) {
			if said := caught(t, badCase(t, c.change, c.make)); !strings.Contains(said, c.says) {
				t.Errorf("the suite says %q, want %q", said, c.says)
			}
		})
	}
}

// TestSuiteAcceptsArrival: what depends on the order of arrival alone passes when it
// says so.
func TestSuiteAcceptsArrival(t *testing.T) {
	var said string
	c := badCase(t, func(p *operators.Plan) { p.Class = operators.Arrival }, func() *bad {
		var ctx *operators.Context
		return &bad{
			open: func(c *operators.Context) { ctx = c },
			process: func(b *columnar.Batch, out operators.Output) {
				for _, i := range selected(b) {
					key := b.Keys.Key(i)
					if first, _ := ctx.State.Get(b.Keys.Partition[i], 0, key); first == nil {
						ctx.State.Put(b.Keys.Partition[i], 0, key, []byte{1})
						out.Emit(b.Select([]int32{i}))
					}
				}
			}}
	})
	if said = caught(t, c); said != "" {
		t.Error(said)
	}
}
