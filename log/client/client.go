package client

import (
	"log/slog"
)

// TopicPartition names one partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Options are a Client's. The zero value is useful.
type Options struct {
	// Logger hears of retries that go on for long; nil is slog.Default().
	Logger *slog.Logger
}

// Client asks one cluster. It holds the cache of topics and leaders that its
// fetchers and producers share; it owns no goroutine and needs no closing. It
// may be used concurrently.
type Client struct {
	cluster Cluster
	logger  *slog.Logger
	meta    *metadata
}

// New makes a client of a cluster.
func New(cluster Cluster, o Options) *Client {
	logger := o.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &Client{cluster: cluster, logger: logger, meta: newMetadata()}
}

// Cluster is what New was given.
func (c *Client) Cluster() Cluster { return c.cluster }
