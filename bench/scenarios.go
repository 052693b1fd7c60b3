package main

import (
	"context"
	"fmt"
)

var scenarios = []scenario{
	{"filter_map", filterMap},
	{"window_100", windows(100)},
	{"window_10k", windows(10_000)},
	{"window_1m", windows(1_000_000)},
	{"kgo_produce", kgoProduce},
	{"kgo_fetch", kgoFetch},
}

const source = `
sources:
  bids:
    topic: %s
    format: json
    schema: {auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: timestamp(ms), extra: string, hot: bool}
    event_time: {field: dateTime, out_of_order: 1s, idle: never}
`

const filterMapYAML = `
pipeline: %s` + source + `
operators:
  dear:
    from: bids
    filter: price * 0.908 > 30000 and channel == "apple"
  eur:
    from: dear
    map: {auction: auction, channel: channel, euro: price * 0.908}
sinks:
  out: {from: eur, topic: %s, format: json}
`

const windowYAML = `
pipeline: %s` + source + `
operators:
  totals:
    from: bids
    aggregate:
      by: [auction]
      window: {tumbling: 10s, lateness: 0s}
      compute: {bids: count(), total: sum(price)}
      emit: on_close
sinks:
  out: {from: totals, topic: %s, format: json}
`

// filterMap compares the two sides on a filter and a map from topic to topic.
func filterMap(ctx context.Context, b *bed) ([]result, error) {
	const keys = 100_000
	large, err := b.input(ctx, b.rows, keys)
	if err != nil {
		return nil, err
	}
	small, err := b.input(ctx, b.naiveRows, keys)
	if err != nil {
		return nil, err
	}
	if err := sameOutput(ctx, b, small, b.naiveRows, filterMapYAML, naiveFilterMap); err != nil {
		return nil, err
	}
	return compare("filter_map", b.pairs,
		side{"millrace", b.rows, b.millrace(ctx, filterMapYAML, large, b.rows, false)},
		side{"millrace, not exactly once", b.rows, b.millrace(ctx, filterMapYAML, large, b.rows, true)},
		side{"naive", b.naiveRows, b.naive(ctx, small, b.naiveRows, naiveFilterMap)},
	)
}

// windows compares the two sides on counts and sums per key and window.
func windows(keys int) func(context.Context, *bed) ([]result, error) {
	return func(ctx context.Context, b *bed) ([]result, error) {
		large, err := b.input(ctx, b.rows, keys)
		if err != nil {
			return nil, err
		}
		small, err := b.input(ctx, b.naiveRows, keys)
		if err != nil {
			return nil, err
		}
		if err := sameOutput(ctx, b, small, b.naiveRows, windowYAML, naiveWindows); err != nil {
			return nil, err
		}
		return compare(fmt.Sprintf("window, %d keys", keys), b.pairs,
			side{"millrace", b.rows, b.millrace(ctx, windowYAML, large, b.rows, false)},
			side{"millrace, not exactly once", b.rows, b.millrace(ctx, windowYAML, large, b.rows, true)},
			side{"naive", b.naiveRows, b.naive(ctx, small, b.naiveRows, naiveWindows)},
		)
	}
}

// millrace is a side that runs a pipeline from input to a new topic.
func (b *bed) millrace(ctx context.Context, yaml, input string, n int, atLeastOnce bool) func(int) error {
	return func(int) error {
		out, err := b.output(ctx)
		if err != nil {
			return err
		}
		name := b.unique("bench")
		return b.pipeline(ctx, fmt.Sprintf(yaml, name, input, out), n, atLeastOnce)
	}
}

// naive is a side that runs one of the plain programs from input to a new topic.
func (b *bed) naive(ctx context.Context, input string, n int, program naiveProgram) func(int) error {
	return func(int) error {
		out, err := b.output(ctx)
		if err != nil {
			return err
		}
		return runNaive(ctx, b, input, out, n, program)
	}
}
