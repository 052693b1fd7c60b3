package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/log/client"
)

// sameOutput runs both sides once over the same input and compares what they
// wrote, as JSON values in any order.
func (c comparison) sameOutput(ctx context.Context, b *bed, input string, n int) error {
	ours, err := b.output(ctx)
	if err != nil {
		return err
	}
	if err := b.millrace(ctx, c.yaml, input, ours, n, exactlyOnce); err != nil {
		return err
	}
	theirs, err := b.output(ctx)
	if err != nil {
		return err
	}
	if err := runNaive(ctx, b, input, theirs, n, c.naive); err != nil {
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
	if len(a) == 0 {
		return fmt.Errorf("nothing came out of %d events: raise -naive-rows", n)
	}
	if !maps.Equal(a, z) {
		return fmt.Errorf("the outputs differ: millrace wrote %d different rows, the naive program %d", len(a), len(z))
	}
	return b.client.DeleteTopics(ctx, ours, theirs)
}

// rowsOf counts the rows of a topic, each as canonical JSON.
func (b *bed) rowsOf(ctx context.Context, topic string) (map[string]int, error) {
	rows := map[string]int{}
	return rows, b.eachValue(ctx, topic, func(value []byte) error {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		rows[string(text)]++
		return err
	})
}

// sameness finds out whether all timed runs have written the same rows.
type sameness struct {
	b     *bed
	first fingerprint
	known bool
}

// fingerprint tells two bags of rows apart, in whatever order they come.
type fingerprint struct {
	rows int
	sum  uint64 // of the rows' hashes
}

// check compares a topic with the first one and deletes it.
func (s *sameness) check(ctx context.Context, topic string) error {
	var f fingerprint
	err := s.b.eachValue(ctx, topic, func(value []byte) error {
		f.rows++
		f.sum += xxh3.Hash(value)
		return nil
	})
	if err != nil {
		return err
	}
	if !s.known {
		s.first, s.known = f, true
	}
	if f != s.first {
		return fmt.Errorf("two runs wrote different rows: %d and %d of them", s.first.rows, f.rows)
	}
	return s.b.client.DeleteTopics(ctx, topic)
}

// eachValue reads the committed values of a topic. It goes on to the high
// watermark: a transaction's outcome is decided when its producer is told, but the
// last stable offset passes it only once the markers are written.
func (b *bed) eachValue(ctx context.Context, topic string, do func(value []byte) error) error {
	ends, err := b.client.ListOffsets(ctx, client.HighWatermark, bothOf(topic)...)
	if err != nil {
		return err
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
			return err
		}
		for records.Reset(got); records.Next(); {
			if err := do(records.Value); err != nil {
				return err
			}
		}
		if err := records.Err(); err != nil {
			return err
		}
		if c.Position() >= ends[got.Partition] {
			c.Close()
			open--
		}
	}
	return nil
}
