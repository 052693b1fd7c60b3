package log

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/log/internal/metrics"
)

// Metrics is everything that the node can say of itself in numbers, for a Prometheus
// registry: what docs/operations.md lists, and the names of kafka_exporter for offsets
// and lag, so that dashboards that were made for Kafka work. It may be collected
// concurrently, also while the node closes.
func (n *Node) Metrics() prometheus.Collector { return &collector{n} }

// collector reads the node when it is scraped.
//
// The usual way is to have every request update the metrics of a registry, which
// looks up label values and takes a lock. Here requests add to atomic counters that
// are there already, and who pays for metrics is who asks for them:
//
//  1. Collect copies numbers; it allocates in proportion to what it returns and holds
//     no lock that a request waits for while it does.
//  2. Coordinators are asked for a few groups at a time, between their other work, and
//     only for so long (scrapeTime). What could not be asked is missing from the answer,
//     never wrong in it.
//  3. What is labelled with what clients can make up is bounded: topics are counted by
//     name up to a limit, error codes and API keys are Kafka's.
type collector struct{ n *Node }

// scrapeTime bounds how long a scrape waits for the coordinators.
const scrapeTime = 5 * time.Second

// families are the metrics of this package; each file adds its own.
var families metrics.Families

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { families.Describe(ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	e := metrics.Emitter(ch)
	im := c.n.meta.Image()
	collectRequests(e, c.n.broker.Stats())
	collectNode(e, c.n, im)
	collectStorage(e, c.n.disk.Stats())
	led := collectPartitions(e, c.n, im)
	collectGroups(ctx, e, c.n, im, led)
}
