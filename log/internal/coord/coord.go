// Package coord is what the group and the transaction coordinator have in
// common: each keeps its state in the partitions of a compacted internal topic,
// one pure core per partition, on the partition's leader.
//
// Host runs those cores on a core.Driver: it replays a partition up to what is
// committed, adds the core to the driver, appends what the core wants written,
// and starts again from the log when an append fails. Around it stand the small
// things both cores need: Request, Record and Batch (a core's view of its log),
// Timers, PartitionFor.
//
// What groups and transactions mean is not here; see packages group and txn.
package coord

import (
	"context"
	"iter"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The internal topics, by Kafka's names, so that other tools find them.
const (
	GroupTopic       = "__consumer_offsets"
	TransactionTopic = "__transaction_state"
)

// Meta says who sent a request.
type Meta struct {
	// ClientID is the client.id of the request's header.
	ClientID string
	// ClientHost is the address the client came from, as groups show it.
	ClientHost string
	// Visible tells whether the sender may know of a topic, for requests that find
	// topics by themselves; nil means that it may know of all. It is called while the
	// request is handled, from any goroutine.
	Visible func(topic string) bool
}

// Request is the input of a core that carries a client's request. The core answers
// it with one core.Reply that names ID and carries the matching kmsg.Response.
type Request struct {
	ID   uint64
	Meta Meta
	Body kmsg.Request
	// Topics is the metadata at the time of the request; nil knows every name and no id.
	Topics Topics
}

// Topics is an immutable view of the topics of the cluster.
type Topics interface {
	// Name is the name of a topic id.
	Name(id [16]byte) (name string, ok bool)
	// Topic is the id and the number of partitions of a name.
	Topic(name string) (id [16]byte, partitions int32, ok bool)
}

// Catalog is a view of the topics that can be listed and compared with another.
type Catalog interface {
	Topics
	// Names are the names of all topics, in no order.
	Names() iter.Seq[string]
	// Version rises with every change of the metadata; two views of one version are
	// equal. It is never 0.
	Version() uint64
}

// Log is one partition of an internal topic on the node that leads it. It may be
// used concurrently.
type Log interface {
	// Append adds one record batch, encoded without offsets, in the order of the
	// calls, and calls committed exactly once, now or later and from any goroutine:
	// with the offset of its first record once the high watermark has passed it, or
	// with why that will perhaps never be. It does not block and keeps batch.
	Append(batch []byte, committed func(baseOffset int64, err error))
	// Start and End are the first offset and the one after the last appended.
	Start() int64
	End() int64
	// WaitCommitted returns when the high watermark has reached offset.
	WaitCommitted(ctx context.Context, offset int64) error
	// Read gives whole record batches from offset on, about maxBytes of them but at
	// least one. The first may begin below offset, and offsets may have gaps. It gives
	// nothing at the end.
	Read(ctx context.Context, offset int64, maxBytes int) ([]byte, error)
}
