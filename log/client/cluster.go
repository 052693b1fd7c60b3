// Package client is Kafka's protocol from the other side, in batches: leaders,
// raw fetch with read_committed, idempotent and transactional produce, group
// membership, topic creation. It speaks to a Cluster and never knows which: the
// log of the same process, another Millrace node, Apache Kafka.
package client

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is a set of brokers that answer requests. It may be used concurrently.
//
// Request bytes are borrowed until a call returns and never written to; after
// ctx is done a call returns only when nothing refers to them any more. Response
// bytes are given: immutable, never pooled, perhaps shared. The implementation
// sets the version of a request to the highest that both sides know; callers fill
// topic names and ids alike.
type Cluster interface {
	// Request goes to the controller, the coordinator or any broker, as its kind
	// demands, and may be retried. Produce and Fetch do not go through here.
	Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
	// Broker is one broker, asked once and without retry.
	Broker(id int32) kmsg.Requestor
}
