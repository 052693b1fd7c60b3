package client

import "context"

// Producer is an idempotent producer with acks=all: what it retries is not
// written twice, and each partition keeps the order of Append. Append may be
// called concurrently. Full batches leave in the background, one Produce in flight
// per broker; Flush sends the rest.
type Producer struct{ a *accumulator }

// NewProducer makes a producer; it asks for its producer id with the first
// record. Close it.
func (c *Client) NewProducer(o ProducerOptions) *Producer {
	return &Producer{newAccumulator(c, o, nil)}
}

// Partitions is the number of partitions of a topic.
func (p *Producer) Partitions(ctx context.Context, topic string) (int32, error) {
	return p.a.partitions(ctx, topic)
}

// Append adds a record, copying key and value; nil means null. It blocks while
// BufferBytes are unacknowledged.
func (p *Producer) Append(topic string, partition int32, timestampMs int64, key, value []byte, headers ...Header) error {
	return p.a.append(topic, partition, timestampMs, key, value, headers)
}

// Flush sends everything and waits for all acknowledgements. Refusals that pass
// by themselves are retried until ctx ends; any other error is kept and returned
// by every later call, because records before it may be lost.
func (p *Producer) Flush(ctx context.Context) error { return p.a.flush(ctx) }

// Unacknowledged is the number of bytes in closed batches that are not
// acknowledged.
func (p *Producer) Unacknowledged() int64 { return p.a.unacknowledged() }

// Close gives up what is not acknowledged (Flush first) and waits for requests
// in flight. It may be called twice.
func (p *Producer) Close() error {
	p.a.shut()
	return nil
}
