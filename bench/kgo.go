package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kgoProduce measures a real client's producer against the node over TCP: client
// and node together.
func kgoProduce(ctx context.Context, b *bed) ([]result, error) {
	n := b.rows / 4
	values := make([][]byte, 1<<16)
	for i := range values {
		values[i] = appendEvent(nil, i, 1<<20)
	}
	run := func(int) error {
		out, err := b.output(ctx)
		if err != nil {
			return err
		}
		cl, err := b.kgoClient(kgo.DefaultProduceTopic(out), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			return err
		}
		defer cl.Close()
		records := make([]kgo.Record, 4096)
		for i := 0; i < n; i++ {
			if i%len(records) == 0 {
				records = make([]kgo.Record, len(records))
			}
			r := &records[i%len(records)]
			r.Value = values[i%len(values)]
			cl.Produce(ctx, r, nil)
		}
		return cl.Flush(ctx)
	}
	return compare("kgo produce", b.pairs, side{"client and node", n, run})
}

// kgoFetch measures a real client's consumer against the node over TCP.
func kgoFetch(ctx context.Context, b *bed) ([]result, error) {
	input, err := b.input(ctx, b.rows, 100_000)
	if err != nil {
		return nil, err
	}
	run := func(int) error {
		cl, err := b.kgoClient(kgo.ConsumeTopics(input), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return err
		}
		defer cl.Close()
		for read := 0; read < b.rows; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			read += fetches.NumRecords()
		}
		return nil
	}
	return compare("kgo fetch", b.pairs, side{"client and node", b.rows, run})
}
