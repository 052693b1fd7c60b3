package replica

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Options say which partitions a Manager keeps. Disk and Meta are needed.
type Options struct {
	Disk *storage.Disk
	Meta *meta.Meta
	// NodeID is this node's; 0 is the disk's.
	NodeID int32
	// Rack, Listeners and SyncPolicy (always, interval or os; "" is always) are what
	// the node registers with.
	Rack       string
	Listeners  []meta.Listener
	SyncPolicy string
	// RetentionInterval is how often old segments are looked for; 0 is one minute.
	RetentionInterval time.Duration
	// Logger is told of partitions that are opened, deleted, quarantined or damaged;
	// nil is slog.Default.
	Logger *slog.Logger
}

func (o *Options) setDefaults() error {
	if o.Disk == nil || o.Meta == nil {
		return errors.New("partitions need a disk and metadata")
	}
	if o.NodeID == 0 {
		o.NodeID = o.Disk.Identity().NodeID
	}
	if o.SyncPolicy == "" {
		o.SyncPolicy = storage.Always.String()
	}
	if o.RetentionInterval == 0 {
		o.RetentionInterval = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// Manager keeps open the partitions that this node leads, as the metadata says. It
// may be used concurrently.
//
//  1. It registers the node first, which raises the leader epoch of every partition
//     that it leads, and opens none in an image that does not have that registration.
//  2. A directory is removed only after the image says that its topic was deleted. A
//     directory of a topic that the image neither has nor remembers as deleted goes
//     to quarantine: metadata that is lost or old never costs data.
//  3. One goroutine follows the images; partitions come and go on it alone. Images
//     may be skipped: what counts is the difference to what is open.
//  4. A partition that cannot be opened is out of service, with the reason for
//     everyone who asks, and holds up no other.
type Manager struct {
	o      Options
	broker *meta.Broker

	stop chan struct{}
	once sync.Once
	work sync.WaitGroup

	mu      sync.RWMutex
	open    map[meta.ID]*topic
	applied uint64        // index of the image that open is true to
	moved   chan struct{} // closed and replaced when applied rises
	closed  bool
}

// topic is what is open of a topic.
type topic struct {
	image      *meta.Topic // the last that was looked at
	partitions map[int32]*Partition
	failed     map[int32]error // why a partition is not open
}

// Open registers the node in this life of its process, opens its partitions, and
// deletes and quarantines what the disk has besides them.
func Open(ctx context.Context, o Options) (*Manager, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	m := &Manager{o: o, stop: make(chan struct{}), open: map[meta.ID]*topic{}, moved: make(chan struct{})}
	if err := m.register(ctx); err != nil {
		return nil, err
	}
	changed, stop := o.Meta.Watch()
	im := o.Meta.Image()
	if err := m.tidy(im); err != nil {
		stop()
		return nil, err
	}
	m.reconcile(im)
	m.work.Go(func() {
		defer stop()
		m.follow(changed)
	})
	m.work.Go(m.retain)
	return m, nil
}

// register makes the node known with the epochs of this life.
func (m *Manager) register(ctx context.Context) error {
	held, err := m.o.Disk.Partitions()
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	if m.o.Meta.Fresh() && len(held) > 0 {
		return fmt.Errorf("%s has %d partitions but no metadata: restore its metadata directory, or start with an empty data directory",
			m.o.Disk.Dir(), len(held))
	}
	identity := m.o.Disk.Identity()
	previous, clean := m.o.Disk.CleanShutdown()
	if !clean {
		previous = -1
	}
	var seed [32]byte
	crand.Read(seed[:]) // never fails
	m.broker, err = m.o.Meta.RegisterBroker(ctx, meta.Broker{
		NodeID: m.o.NodeID, Directory: identity.DirectoryID, Incarnation: meta.NewID(rand.New(rand.NewChaCha8(seed))),
		PreviousEpoch: previous, Rack: m.o.Rack, Listeners: m.o.Listeners, Features: meta.SupportedFeatures(), SyncPolicy: m.o.SyncPolicy,
	})
	if err != nil {
		return fmt.Errorf("register node %d: %w", m.o.NodeID, err)
	}
	return nil
}

// Broker is this node's registration, with its epoch.
func (m *Manager) Broker() *meta.Broker { return m.broker }

// Partition is a partition that this node leads. If it does not, the error is a
// *meta.Refusal that says why: UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION,
// NOT_LEADER_OR_FOLLOWER, or KAFKA_STORAGE_ERROR for one that is out of service. What
// was created at an index of the metadata is there after Sync of that index.
func (m *Manager) Partition(id meta.ID, index int32) (*Partition, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if t := m.open[id]; t != nil {
		if p := t.partitions[index]; p != nil {
			return p, nil
		}
		if err := t.failed[index]; err != nil {
			return nil, refuse(kerr.KafkaStorageError, "%s/%d is out of service: %v", t.image.Name, index, err)
		}
	}
	return nil, m.absent(id, index)
}

// absent says why a partition is not open here; with mu held.
func (m *Manager) absent(id meta.ID, index int32) error {
	t := m.o.Meta.Image().Topic(id)
	switch {
	case m.closed:
		return refuse(kerr.NotLeaderForPartition, "the node is closing")
	case t == nil:
		return refuse(kerr.UnknownTopicID, "no topic has the id %s", id)
	case index < 0 || int(index) >= len(t.Partitions):
		return refuse(kerr.UnknownTopicOrPartition, "topic %q has %d partitions, not number %d", t.Name, len(t.Partitions), index)
	}
	return refuse(kerr.NotLeaderForPartition, "%s/%d is led by node %d", t.Name, index, t.Partitions[index].Leader)
}

// PartitionByName is Partition for those who only have a name.
func (m *Manager) PartitionByName(name string, index int32) (*Partition, error) {
	t := m.o.Meta.Image().TopicByName(name)
	if t == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, "no topic is named %q", name)
	}
	return m.Partition(t.ID, index)
}

// Sync returns when the partitions are as the image at index says, or a later one.
func (m *Manager) Sync(ctx context.Context, index uint64) error {
	for {
		m.mu.RLock()
		applied, moved, closed := m.applied, m.moved, m.closed
		m.mu.RUnlock()
		if applied >= index {
			return nil
		}
		if closed {
			return refuse(kerr.NotLeaderForPartition, "the node is closing")
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the partitions of metadata %d: %w", index, ctx.Err())
		}
	}
}

// Close resigns from all partitions and closes their logs, in this order:
//
//  1. Stop following the metadata, and retention.
//  2. Every partition fails what waits in it, and lets no more in.
//  3. Every log is synced and closed.
//
// It may be called twice. ctx is not needed for it, and kept for what a cluster
// will do first: hand over what this node leads.
func (m *Manager) Close(context.Context) error {
	m.once.Do(func() { close(m.stop) })
	m.work.Wait()
	m.mu.Lock()
	open := m.open
	m.open, m.closed = map[meta.ID]*topic{}, true
	close(m.moved)
	m.moved = make(chan struct{})
	m.mu.Unlock()
	var errs []error
	for _, t := range open {
		for _, p := range t.partitions {
			p.resign(refuse(kerr.NotLeaderForPartition, "the node is closing"))
			if err := p.log.Close(); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", p.name, p.index, err))
			}
		}
	}
	return errors.Join(errs...)
}
