// Package meta keeps the cluster's metadata: which topics, partitions, brokers and
// configs there are, who leads what, in a raft group whose members are some of the
// cluster's nodes. One node is a group of one voter, from its first start.
//
// Whoever reads takes an Image: immutable, one index of the log. Whoever changes
// something asks the Controller, a pure core that runs where the raft leader is:
//
//	m, err := meta.Open(ctx, meta.Options{FS: fs, Dir: dir, ...})
//	results, err := m.CreateTopics(ctx, meta.CreateTopics{Topics: ...})
//	topic := m.Image().TopicByName("clicks")
//
// It does not keep anything of partitions' data, nor of groups and transactions:
// those have logs of their own.
package meta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/core"
)

// ErrClosed means that the metadata was closed, or failed; in the latter case
// Options.Fatal was told why.
var ErrClosed = errors.New("metadata closed")

// Options say how metadata is opened. FS, Dir, ClusterID and Directory are needed.
type Options struct {
	FS vfs.FS
	// Dir is the directory of the raft log and its snapshots, inside the data
	// directory. It is made if it is not there.
	Dir string
	// Used says that the data directory has partitions already. Metadata that is missing
	// then is lost, and not yet to be made.
	Used bool
	// ClusterID is that of the data directory: given to a new cluster, and refused
	// if the metadata is another's.
	ClusterID ID
	// Directory is the id of the data directory; its RaftID is this member.
	Directory ID
	// DefaultPartitions and MaxPartitions are as in ControllerOptions.
	DefaultPartitions int32
	MaxPartitions     int
	// Source draws ids; nil is seeded by the operating system.
	Source *rand.Rand
	// Logger is told of leadership and snapshots; nil is slog.Default.
	Logger *slog.Logger
	// Fatal is called at most once, when the log cannot be written or holds what
	// this program does not know. The node must stop; nothing is changed any more.
	Fatal func(error)

	snapshotEvery uint64 // as in MemberOptions, for tests
}

// Meta is a member of the metadata quorum and the image that it has applied. It may
// be used concurrently.
type Meta struct {
	opts   Options
	image  atomic.Pointer[Image]
	driver *core.Driver
	handle *core.Handle
	loop   *loop
	fresh  bool

	mu       sync.Mutex
	watchers map[chan struct{}]struct{}
	closed   bool
}

// Image is the newest image. It has everything that a call of this Meta has
// returned from.
func (m *Meta) Image() *Image { return m.image.Load() }

// Fresh reports whether Open found no metadata and began a new cluster.
func (m *Meta) Fresh() bool { return m.fresh }

// Watch returns a channel that gets a value after the image has changed. Changes
// that happen before it is read become one: read Image then. stop ends it.
func (m *Meta) Watch() (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	m.mu.Lock()
	m.watchers[ch] = struct{}{}
	m.mu.Unlock()
	return ch, func() {
		m.mu.Lock()
		delete(m.watchers, ch)
		m.mu.Unlock()
	}
}

// install makes an image visible; from the loop's goroutine.
func (m *Meta) install(im *Image) {
	m.image.Store(im)
	m.mu.Lock()
	defer m.mu.Unlock()
	for ch := range m.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// CreateTopics makes topics. The results are in the order of the request.
func (m *Meta) CreateTopics(ctx context.Context, req CreateTopics) ([]TopicResult, error) {
	return ask[[]TopicResult](ctx, m, req)
}

// DeleteTopics deletes topics. The results are in the order of the request.
func (m *Meta) DeleteTopics(ctx context.Context, req DeleteTopics) ([]TopicResult, error) {
	return ask[[]TopicResult](ctx, m, req)
}

// CreatePartitions makes topics larger. The results are in the order of the request.
func (m *Meta) CreatePartitions(ctx context.Context, req CreatePartitions) ([]TopicResult, error) {
	return ask[[]TopicResult](ctx, m, req)
}

// AlterConfigs changes configs. The results are in the order of the request.
func (m *Meta) AlterConfigs(ctx context.Context, req AlterConfigs) ([]TopicResult, error) {
	return ask[[]TopicResult](ctx, m, req)
}

// AlterDefaults changes configs of all nodes, which are the defaults of topics'.
func (m *Meta) AlterDefaults(ctx context.Context, req AlterDefaults) error {
	_, err := ask[any](ctx, m, req)
	return err
}

// RegisterBroker registers a node for this life of its process and returns what was
// registered, with its epoch. Until then it leads no partition; after it the leader
// epoch of every one that it leads is new.
func (m *Meta) RegisterBroker(ctx context.Context, b Broker) (*Broker, error) {
	req := RegisterBroker{Broker: b}
	if old := m.Image().Broker(b.NodeID); old != nil {
		req.KnownEpoch = old.Epoch
	}
	if _, err := ask[any](ctx, m, req); err != nil {
		return nil, err
	}
	registered := m.Image().Broker(b.NodeID)
	if registered == nil || registered.Incarnation != b.Incarnation {
		return nil, fmt.Errorf("node %d was registered again by another process while this one did", b.NodeID)
	}
	return registered, nil
}

// AlterPartition changes a partition's ISR and returns its new state.
func (m *Meta) AlterPartition(ctx context.Context, req AlterPartition) (*Partition, error) {
	return ask[*Partition](ctx, m, req)
}

// AllocateProducerIDs returns a block of producer ids that nobody else has or gets.
func (m *Meta) AllocateProducerIDs(ctx context.Context, req AllocateProducerIDs) (ProducerIDs, error) {
	return ask[ProducerIDs](ctx, m, req)
}

// FinalizeFeature raises the level of a feature.
func (m *Meta) FinalizeFeature(ctx context.Context, req FinalizeFeature) error {
	_, err := ask[any](ctx, m, req)
	return err
}

// Propose adds records and returns when they are in Image. It and the requests
// above are the only ways to change metadata. An error that is a *Refusal means
// that nothing happened; after any other it is not known.
func (m *Meta) Propose(ctx context.Context, records ...Record) error {
	_, err := ask[any](ctx, m, ProposeRecords{Records: records})
	return err
}

// ask gives the controller a request and returns its answer.
func ask[T any](ctx context.Context, m *Meta, body any) (T, error) {
	var none T
	response, err := m.handle.Call(ctx, func(id uint64) core.Input { return Request{ID: id, Body: body} })
	if errors.Is(err, core.ErrClosed) {
		return none, ErrClosed
	}
	if err != nil {
		return none, err
	}
	if refusal, ok := response.(*Refusal); ok {
		return none, refusal
	}
	if response == nil {
		return none, nil
	}
	return response.(T), nil
}
