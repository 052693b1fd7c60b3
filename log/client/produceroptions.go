package client

import (
	"log/slog"
)

// ProducerOptions are a producer's; the zero value makes batches of nearly 1 MiB,
// uncompressed.
type ProducerOptions struct {
	// BatchBytes is the size at which a batch is closed and sent in the background.
	// The default, 1 MiB less 16 KiB, leaves room below Kafka's default
	// message.max.bytes. A larger record is a batch of its own.
	BatchBytes int
	// BufferBytes of full batches may wait for acknowledgement before Append blocks;
	// default 64 MiB. Besides, every partition has one open batch.
	BufferBytes int64
	// Compression of batches: none, gzip, snappy, lz4 or zstd; default none. Any other
	// name is the error of the first Append.
	Compression string
	// Logger hears of retries that go on for long; default the client's.
	Logger *slog.Logger
}

func (o *ProducerOptions) defaults(c *Client) {
	o.BatchBytes = orDefault(o.BatchBytes, 1<<20-16<<10)
	o.BufferBytes = orDefault(o.BufferBytes, 64<<20)
	if o.Logger == nil {
		o.Logger = c.logger
	}
}
