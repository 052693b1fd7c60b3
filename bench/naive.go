package main

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// naiveProgram is what a careful developer writes in an afternoon with the usual
// libraries: a record at a time, a map per event, an expression machine per row.
// It keeps nothing that a crash would have to bring back.
type naiveProgram func() (onEvent, error)

// onEvent takes one event of a partition and emits what follows from it.
type onEvent func(event map[string]any, partition int32, emit func(any) error) error

// runNaive reads n events with franz-go, hands each to the program and writes
// what it emits with franz-go.
func runNaive(ctx context.Context, b *bed, input, output string, n int, program naiveProgram) error {
	cl, err := b.kgoClient(kgo.ConsumeTopics(input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DefaultProduceTopic(output), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	onEvent, err := program()
	if err != nil {
		return err
	}
	var failed atomic.Pointer[error]
	emit := func(v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		cl.Produce(ctx, &kgo.Record{Value: text}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		return nil
	}
	for read := 0; read < n; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); read++ {
			var event map[string]any
			r := it.Next()
			if err := json.Unmarshal(r.Value, &event); err != nil {
				return err
			}
			if err := onEvent(event, r.Partition, emit); err != nil {
				return err
			}
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func naiveFilterMap() (onEvent, error) {
	env := expr.Env(map[string]any{"price": 0.0, "channel": "", "auction": 0.0})
	filter, err := expr.Compile(`price * 0.908 > 10000 and channel == "apple"`, env, expr.AsBool())
	if err != nil {
		return nil, err
	}
	euro, err := expr.Compile(`price * 0.908`, env)
	if err != nil {
		return nil, err
	}
	var machine vm.VM
	return func(event map[string]any, _ int32, emit func(any) error) error {
		keep, err := machine.Run(filter, event)
		if err != nil || !keep.(bool) {
			return err
		}
		v, err := machine.Run(euro, event)
		if err != nil {
			return err
		}
		return emit(map[string]any{"auction": event["auction"], "channel": event["channel"], "euro": v})
	}, nil
}

// naiveWindows closes a window of so many milliseconds once the highest event
// time is a second past its end, and, unlike a pipeline over a bounded source,
// none at the end of the input.
func naiveWindows(by string, size int64) naiveProgram {
	const outOfOrder = 1000 // milliseconds
	type key struct{ end, value int64 }
	type total struct{ bids, sum int64 }
	return func() (onEvent, error) {
		windows := map[key]*total{}
		var highest [partitions]int64 // event time of each partition
		closed := int64(0)
		return func(event map[string]any, partition int32, emit func(any) error) error {
			at := int64(event["dateTime"].(float64))
			k := key{at/size*size + size, int64(event[by].(float64))}
			t := windows[k]
			if t == nil {
				t = &total{}
				windows[k] = t
			}
			t.bids++
			t.sum += int64(event["price"].(float64))
			highest[partition] = max(highest[partition], at)
			watermark := (slices.Min(highest[:]) - outOfOrder) / size * size
			if watermark <= closed {
				return nil
			}
			closed = watermark
			for k, t := range windows {
				if k.end > watermark {
					continue
				}
				err := emit(map[string]any{
					by: k.value, "bids": t.bids, "total": t.sum,
					"window_start": stamp(k.end - size), "window_end": stamp(k.end),
				})
				if err != nil {
					return err
				}
				delete(windows, k)
			}
			return nil
		}, nil
	}
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
