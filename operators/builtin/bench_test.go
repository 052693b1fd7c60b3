//go:build unix

package builtin

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/operatortest"
	"github.com/millrace/millrace/statestore"
)

// cpu is the processor time of the process, which a busy machine does not change much.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

type nowhere struct{ rows int }

func (n *nowhere) Emit(b *columnar.Batch) error           { n.rows += b.Len(); return nil }
func (n *nowhere) EmitTo(string, *columnar.Batch) error   { return nil }
func (n *nowhere) RowError(*columnar.Batch, int32, error) { n.rows = -1 << 30 }

const benchRows = 4096

// benchInput is 1 M rows of clicks: ad, price, share, in event-time order, with keys.
func benchInput(b *testing.B, schema *columnar.Schema, distinct int) []*columnar.Batch {
	rng := rand.New(rand.NewPCG(3, 4))
	batches := make([]*columnar.Batch, (1<<20)/benchRows)
	at := int64(1_700_000_000_000_000)
	for i := range batches {
		ad, price, share := columnar.NewBuffer(schema.Columns[0].Type, benchRows), columnar.NewBuffer(schema.Columns[1].Type, benchRows), columnar.NewBuffer(schema.Columns[2].Type, benchRows)
		batch := &columnar.Batch{Schema: schema, Rows: benchRows, Keys: &columnar.Keys{}}
		for range benchRows {
			ad.AppendString(fmt.Sprintf("ad-%07d", rng.IntN(distinct)))
			price.AppendInt64(rng.Int64N(1_000_000))
			share.AppendFloat64(float64(rng.Int64N(1_000_000)) / 1e4)
			at += rng.Int64N(100)
			batch.EventTime = append(batch.EventTime, at)
		}
		batch.Cols = append(batch.Cols, ad.Array(), price.Array(), share.Array())
		new(columnar.KeyEncoder).Encode(batch, []int{0}, 16, batch.Keys)
		batches[i] = batch
	}
	return batches
}

// BenchmarkAggregate is the operator alone, keys being encoded: about a minute of event
// time in 1 M rows, epochs of 64 batches with change capture.
func BenchmarkAggregate(b *testing.B) {
	for _, compute := range []operatortest.Map{
		{{"n", "count()"}, {"spend", "sum(price)"}},
		{{"n", "count()"}, {"spend", "sum(share)"}},
		{{"low", "min(price)"}, {"high", "max(share)"}, {"mean", "avg(share)"}},
		{{"kinds", "count_distinct(price)"}},
	} {
		for _, distinct := range []int{100, 10_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", compute[len(compute)-1][1], distinct), func(b *testing.B) { benchAggregate(b, compute, distinct) })
		}
	}
}

func benchAggregate(b *testing.B, compute operatortest.Map, distinct int) {
	schema := operatortest.Schema(b, "ad: string, price: int64, share: float64")
	plan := operatortest.Case{Spec: aggregateSpec, Schema: schema, Config: operatortest.Config{
		"by": "ad", "window": operatortest.Config{"tumbling": "10s"}, "compute": compute}}.Plan(b)
	batches := benchInput(b, schema, distinct)
	store, err := statestore.Open(statestore.Options{FS: vfs.NewMem(), Dir: "/s", Identity: statestore.Identity{Partitions: 16}, MemoryBytes: 8 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var all []int32
	for p := range int32(16) {
		all = append(all, p)
	}
	task, err := store.Task(all)
	if err != nil {
		b.Fatal(err)
	}
	op, err := plan.New()
	if err != nil {
		b.Fatal(err)
	}
	if err := op.Open(&operators.Context{State: task.View("op")}); err != nil {
		b.Fatal(err)
	}
	out := &nowhere{}
	b.ReportAllocs()
	span := batches[len(batches)-1].EventTime[benchRows-1] - batches[0].EventTime[0]
	n, start := 0, cpu()
	for b.Loop() {
		if n++; n%len(batches) == 0 { // the next round is later
			for _, batch := range batches {
				for i := range batch.EventTime {
					batch.EventTime[i] += span
				}
			}
		}
		batch := batches[n%len(batches)]
		if err := op.Process(0, batch, out); err != nil {
			b.Fatal(err)
		}
		if n%64 == 0 {
			if err := op.Watermark(batch.EventTime[0], out); err != nil {
				b.Fatal(err)
			}
			task.Changes(func(int32, []byte, []byte) error { return nil })
			task.Commit()
		}
	}
	b.ReportMetric(float64(cpu()-start)/float64(n)/benchRows, "cpu-ns/row")
}
