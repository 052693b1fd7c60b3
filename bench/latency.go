package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// latency is how long events took from the moment at which they were due to be
// sent until a read_committed consumer had what became of them. Due, not sent: a
// sender that is held up by the one before would hide the wait.
type latency struct {
	Scenario  string        `json:"scenario"`
	Side      string        `json:"side"`
	Events    int           `json:"events"`
	PerSecond int           `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	P999      time.Duration `json:"p999_ns"`
	Max       time.Duration `json:"max_ns"`
}

// latencyRate is far below what the node can do: what is measured is waiting for
// disks, acknowledgements and commits, not for processors.
const latencyRate = 1000

// passYAML lets every event through a filter and a map.
const passYAML = `
pipeline: %s
sources:
  in: {topic: %s, format: json, schema: {n: int64}}
operators:
  some: {from: in, filter: n >= 0}
  same: {from: some, map: {n: n}}
sinks:
  out: {from: same, topic: %s, format: json}
`

// latencies measures the log alone and a pipeline between two topics, exactly
// once.
func latencies(ctx context.Context, b *bed) error {
	n := 10 * latencyRate
	if b.quick {
		n = latencyRate / 2
	}
	topic, err := b.output(ctx)
	if err != nil {
		return err
	}
	if err := b.latency(ctx, b.addr, "log: produce to consume", topic, topic, n); err != nil {
		return err
	}
	in, err := b.output(ctx)
	if err != nil {
		return err
	}
	out, err := b.output(ctx)
	if err != nil {
		return err
	}
	p, closer, err := b.open(fmt.Sprintf(passYAML, b.unique("pass"), in, out), exactlyOnce)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		err := p.Run(ctx)
		cancel() // the consumer must not wait for a pipeline that has failed
		ended <- err
	}()
	err = b.latency(ctx, b.addr, "pipeline, exactly once", in, out, n)
	cancel()
	return errors.Join(<-ended, err, closer())
}

// latency sends n numbers at latencyRate, to each partition in turn, and waits for them at the other end. The
// first tenth warms up.
func (b *bed) latency(ctx context.Context, addr, side, in, out string, n int) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.DefaultProduceTopic(in), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ConsumeTopics(out), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(time.Second), kgo.FetchMinBytes(1))
	if err != nil {
		return err
	}
	defer cl.Close()
	began := time.Now().Add(100 * time.Millisecond)
	due := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / latencyRate) }
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			time.Sleep(time.Until(due(i)))
			cl.Produce(ctx, &kgo.Record{Value: []byte(`{"n":` + strconv.Itoa(i) + `}`)}, nil)
		}
		sent <- cl.Flush(ctx)
	}()
	took := make([]time.Duration, n)
	for left := n; left > 0; {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return errors.Join(err, <-sent)
		}
		now := time.Now()
		for it := fetches.RecordIter(); !it.Done(); {
			var event struct{ N int }
			if err := json.Unmarshal(it.Next().Value, &event); err != nil || event.N >= n || took[event.N] != 0 {
				return errors.Join(fmt.Errorf("event %d was not sent, or has come before", event.N), err)
			}
			took[event.N] = now.Sub(due(event.N))
			left--
		}
	}
	took = took[n/10:]
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(10 * time.Microsecond) }
	b.report.Latencies = append(b.report.Latencies, latency{
		Scenario: b.scenario, Side: side, Events: len(took), PerSecond: latencyRate,
		P50: at(0.5), P99: at(0.99), P999: at(0.999), Max: at(1),
	})
	return <-sent
}
