package main

import (
	"context"
	"fmt"
)

var scenarios = []scenario{
	{"filter_map", comparison{yaml: filterMapYAML, naive: naiveFilterMap}.run},
	{"window_100", windows("category", 10, 1).run},
	{"window_10k", windows("auction", 10, 1).run},
	// A window of 100 s has a million events and 630 000 keys; the naive program
	// needs as many events to close one.
	{"window_1m", windows("bidder", 100, 5).run},
	{"produce", produce},
	{"fetch", fetch},
	{"latency", latencies},
	{"sync", syncRounds},
	{"idle", idle},
	{"restart", restarts},
	{"node", nodeLoads},
	{"peer_log", peerLog},
	{"peer_latency", peerLatency},
}

const source = `
sources:
  bids:
    topic: %s
    format: json
    schema:
      category: int64
      auction: int64
      bidder: int64
      price: int64
      channel: string
      url: string
      dateTime: timestamp(ms)
      extra: string
      hot: bool
    event_time: {field: dateTime, out_of_order: 1s, idle: never}
`

const filterMapYAML = `
pipeline: %s` + source + `
operators:
  dear:
    from: bids
    filter: price * 0.908 > 10000 and channel == "apple"
  eur:
    from: dear
    map: {auction: auction, channel: channel, euro: price * 0.908}
sinks:
  out: {from: eur, topic: %s, format: json}
`

const windowYAML = `
pipeline: %%s` + "%s" + `
operators:
  totals:
    from: bids
    aggregate:
      by: [%s]
      window: {tumbling: %ds, lateness: 0s}
      compute: {bids: count(), total: sum(price)}
      emit: on_close
sinks:
  out: {from: totals, topic: %%s, format: json}
`

// comparison is a pipeline and a naive program that do the same.
type comparison struct {
	yaml  string // a format: pipeline, input, output
	naive naiveProgram
	// scale multiplies the naive program's events.
	scale int
}

// windows counts and sums per key in tumbling windows.
func windows(key string, seconds, scale int) comparison {
	return comparison{
		yaml:  fmt.Sprintf(windowYAML, source, key, seconds),
		naive: naiveWindows(key, int64(seconds)*1000),
		scale: scale,
	}
}

// run compares, with exactly once and without.
func (c comparison) run(ctx context.Context, b *bed) error {
	n := b.naiveRows * max(c.scale, 1)
	rows := max(b.rows, n)
	small, err := b.input(ctx, n)
	if err != nil {
		return err
	}
	if err := c.sameOutput(ctx, b, small, n); err != nil {
		return err
	}
	large, err := b.input(ctx, rows)
	if err != nil {
		return err
	}
	same := &sameness{b: b}
	return b.compare(
		c.millrace(ctx, b, "millrace", large, rows, exactlyOnce, same),
		c.millrace(ctx, b, "millrace, at least once", large, rows, atLeastOnce, same),
		c.plain(ctx, b, small, n),
	)
}

// millrace is a side that runs the pipeline from input to a new topic.
func (c comparison) millrace(ctx context.Context, b *bed, name, input string, n int, g guarantee, same *sameness) side {
	var out string
	return side{
		name: name, events: n, profile: g == exactlyOnce,
		run: func() (err error) {
			if out, err = b.output(ctx); err != nil {
				return err
			}
			return b.millrace(ctx, c.yaml, input, out, n, g)
		},
		check: func() error { return same.check(ctx, out) },
	}
}

// plain is the side that runs the naive program from input to a new topic.
func (c comparison) plain(ctx context.Context, b *bed, input string, n int) side {
	var out string
	return side{
		name: "naive", events: n,
		run: func() (err error) {
			if out, err = b.output(ctx); err != nil {
				return err
			}
			return runNaive(ctx, b, input, out, n, c.naive)
		},
		check: func() error { return b.client.DeleteTopics(ctx, out) },
	}
}
