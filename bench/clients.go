package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/log/client"
)

// The scenarios of this file are the log's: client and node together, with the
// client in the node's process, with the same client over TCP, and with franz-go's
// record interface over TCP.

// produce writes events with acks=all.
func produce(ctx context.Context, b *bed) error {
	n := b.rows / 2
	values := make([][]byte, 1<<16)
	for i := range values {
		values[i] = appendEvent(nil, i)
	}
	raw, closeRaw, err := b.overTCP()
	if err != nil {
		return err
	}
	defer closeRaw()
	return b.compare(
		b.producing("in process", n, func(out string) error { return appendValues(ctx, b.client, out, n, values) }),
		b.producing("over TCP", n, func(out string) error { return appendValues(ctx, raw, out, n, values) }),
		b.producing("kgo over TCP", n, func(out string) error { return b.kgoProduce(ctx, out, n, values) }),
	)
}

// producing is a side that writes n records to a new topic.
func (b *bed) producing(name string, n int, write func(topic string) error) side {
	ctx := context.Background()
	var out string
	return side{
		name: name, events: n, profile: name == "kgo over TCP",
		run: func() (err error) {
			if out, err = b.output(ctx); err != nil {
				return err
			}
			return write(out)
		},
		check: func() error {
			ends, err := b.client.ListOffsets(ctx, client.HighWatermark, bothOf(out)...)
			if err != nil {
				return err
			}
			if got := ends[bothOf(out)[0]] + ends[bothOf(out)[1]]; got != int64(n) {
				return fmt.Errorf("%d of %d records are in the log", got, n)
			}
			return b.client.DeleteTopics(ctx, out)
		},
	}
}

// bothOf are a topic's partitions.
func bothOf(topic string) []client.TopicPartition {
	var all []client.TopicPartition
	for p := range int32(partitions) {
		all = append(all, client.TopicPartition{Topic: topic, Partition: p})
	}
	return all
}

// overTCP is the pipeline's own client, through a connection.
func (b *bed) overTCP() (*client.Client, func(), error) {
	cl, err := b.kgoClient()
	if err != nil {
		return nil, nil, err
	}
	return client.New(client.FromKgo(cl), client.Options{}), cl.Close, nil
}

func appendValues(ctx context.Context, c *client.Client, topic string, n int, values [][]byte) error {
	p := c.NewProducer(client.ProducerOptions{})
	defer p.Close()
	for i := range n {
		if err := p.Append(topic, int32(i%partitions), baseTimeMs, nil, values[i%len(values)]); err != nil {
			return err
		}
	}
	return p.Flush(ctx)
}

func (b *bed) kgoProduce(ctx context.Context, topic string, n int, values [][]byte) error {
	cl, err := b.kgoClient(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	var records []kgo.Record
	for i := range n {
		if len(records) == 0 {
			records = make([]kgo.Record, 1024) // one allocation, as its users are advised to
		}
		r := &records[0]
		records = records[1:]
		r.Value = values[i%len(values)]
		cl.Produce(ctx, r, nil)
	}
	return cl.Flush(ctx)
}

// fetch reads the input from its beginning.
func fetch(ctx context.Context, b *bed) error {
	input, err := b.input(ctx, b.rows)
	if err != nil {
		return err
	}
	raw, closeRaw, err := b.overTCP()
	if err != nil {
		return err
	}
	defer closeRaw()
	return b.compare(
		side{name: "in process", events: b.rows, run: func() error { return readValues(ctx, b.client, input, b.rows) }},
		side{name: "over TCP", events: b.rows, run: func() error { return readValues(ctx, raw, input, b.rows) }},
		side{name: "kgo over TCP", events: b.rows, profile: true, run: func() error { return b.kgoFetch(ctx, input) }},
	)
}

func readValues(ctx context.Context, c *client.Client, topic string, n int) error {
	f := c.NewFetcher(client.FetcherOptions{})
	defer f.Close()
	for _, tp := range bothOf(topic) {
		f.Open(tp, 0)
	}
	size := 0
	var records client.Records
	for read := 0; read < n; {
		_, got, err := f.Next(ctx)
		if err != nil {
			return err
		}
		for records.Reset(got); records.Next(); read++ {
			size += len(records.Value)
		}
		if err := records.Err(); err != nil {
			return err
		}
	}
	return atLeast(size, n)
}

func (b *bed) kgoFetch(ctx context.Context, topic string) error {
	cl, err := b.kgoClient(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	size := 0
	for read := 0; read < b.rows; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); read++ {
			size += len(it.Next().Value)
		}
	}
	return atLeast(size, b.rows)
}

// atLeast finds values that are too short to be events.
func atLeast(size, events int) error {
	if size < 150*events {
		return fmt.Errorf("%d events have only %d bytes", events, size)
	}
	return nil
}
