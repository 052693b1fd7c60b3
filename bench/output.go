package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/millrace/millrace/log/client"
)

// sameOutput runs both sides once over the same input and compares what they
// wrote, as JSON values in any order.
func sameOutput(ctx context.Context, b *bed, input string, n int, yaml string, program naiveProgram) error {
	ours, err := b.output(ctx)
	if err != nil {
		return err
	}
	if err := b.pipeline(ctx, fmt.Sprintf(yaml, b.unique("check"), input, ours), n, false); err != nil {
		return err
	}
	theirs, err := b.output(ctx)
	if err != nil {
		return err
	}
	if err := runNaive(ctx, b, input, theirs, n, program); err != nil {
		return err
	}
	a, err := b.rowsOf(ctx, ours)
	if err != nil {
		return err
	}
	z, err := b.rowsOf(ctx, theirs)
	if err != nil {
		return err
	}
	if len(a) == 0 || !maps.Equal(a, z) {
		return fmt.Errorf("the outputs differ: millrace wrote %d different rows, the naive program %d", len(a), len(z))
	}
	return nil
}

// rowsOf counts the rows of a topic, each as canonical JSON.
func (b *bed) rowsOf(ctx context.Context, topic string) (map[string]int, error) {
	rows := map[string]int{}
	var all []client.TopicPartition
	for p := range int32(partitions) {
		all = append(all, client.TopicPartition{Topic: topic, Partition: p})
	}
	ends, err := b.client.ListOffsets(ctx, client.LastStable, all...)
	if err != nil {
		return nil, err
	}
	f := b.client.NewFetcher(client.FetcherOptions{Isolation: client.ReadCommitted})
	defer f.Close()
	open := 0
	for tp, end := range ends {
		if end > 0 {
			f.Open(tp, 0)
			open++
		}
	}
	var records client.Records
	for open > 0 {
		c, got, err := f.Next(ctx)
		if err != nil {
			return nil, err
		}
		for records.Reset(got); records.Next(); {
			var v any
			if err := json.Unmarshal(records.Value, &v); err != nil {
				return nil, err
			}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			rows[string(text)]++
		}
		if err := records.Err(); err != nil {
			return nil, err
		}
		if c.Position() >= ends[got.Partition] {
			c.Close()
			open--
		}
	}
	return rows, nil
}
