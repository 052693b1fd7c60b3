package meta

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/log/internal/quota"
)

// ErrInvalidRecord means that a record does not fit the image that it was applied
// to, such as a partition of an unknown topic. In a proposal it is refused; in the
// committed log it is corruption.
var ErrInvalidRecord = errors.New("metadata record does not fit")

// maxRemovals is how many deleted topics an image remembers, the newest. Only for
// these may a node delete a directory that the image does not name; an older one
// that turns up (a disk that was away for 16 384 deletions) goes to quarantine.
const maxRemovals = 1 << 14

// Apply returns the image after a batch of records that is the log entry at index:
// all of them or, with an error that wraps ErrInvalidRecord, none. im stays as it is.
func (im *Image) Apply(index uint64, records []Record) (*Image, error) {
	b := batch{Image: *im, own: map[ID]*Topic{}}
	b.index = index
	for i, r := range records {
		if err := b.apply(r); err != nil {
			return nil, fmt.Errorf("record %d of entry %d: %w", i, index, err)
		}
	}
	next := b.Image
	if len(b.quotas) > 0 {
		next.quotas = im.quotas.With(b.quotas...)
	}
	return &next, nil
}

// withBrokerEpoch is im with the epoch of a broker corrected.
func (im *Image) withBrokerEpoch(node int32, epoch int64) *Image {
	next := *im
	registered := *im.Broker(node)
	registered.Epoch = epoch
	next.brokers = im.brokers.set(node, &registered)
	return &next
}

// batch is an image in the making. Topics in own were copied for this batch and
// nobody else sees them yet, so that the raise of ten thousand leader epochs in one
// batch copies a topic once and not once per partition.
type batch struct {
	Image
	own    map[ID]*Topic
	quotas []quota.Change
}

// topic is the batch's own copy of a topic, or nil.
func (b *batch) topic(id ID) *Topic {
	if t := b.own[id]; t != nil {
		return t
	}
	t := b.Topic(id)
	if t == nil {
		return nil
	}
	own := *t
	own.Partitions = slices.Clone(t.Partitions)
	own.configs = maps.Clone(t.configs)
	b.put(&own)
	return &own
}

func (b *batch) put(t *Topic) {
	b.own[t.ID] = t
	b.topics = b.topics.set(t.ID, t)
}

func (b *batch) apply(r Record) error {
	switch r := r.(type) {
	case *Cluster:
		return b.applyCluster(r)
	case *Feature:
		b.features = b.features.set(r.Name, r)
	case *Broker:
		b.applyBroker(r)
	case *TopicRecord:
		return b.applyTopic(r)
	case *TopicRemoval:
		return b.applyTopicRemoval(r)
	case *Partition:
		return b.applyPartition(r)
	case *Config:
		return b.applyConfig(r)
	case *ProducerIDBlock:
		if r.Next < b.NextProducerID() {
			return fmt.Errorf("%w: producer ids go back from %d to %d", ErrInvalidRecord, b.NextProducerID(), r.Next)
		}
		b.blocks = r
	case *ClientQuota:
		return b.applyClientQuota(r)
	case *ScramCredential:
		return b.applyScramCredential(r)
	case *ACL:
		return b.applyACL(r)
	case *GroupConfig:
		return b.applyGroupConfig(r)
	default:
		panic(fmt.Sprintf("meta: record %T has no place in the image", r))
	}
	return nil
}

func (b *batch) applyCluster(r *Cluster) error {
	if b.cluster != nil && b.cluster.ID != r.ID {
		return fmt.Errorf("%w: cluster %s becomes %s", ErrInvalidRecord, b.cluster.ID, r.ID)
	}
	b.cluster = r
	return nil
}

func (b *batch) applyBroker(r *Broker) {
	if r.Epoch == 0 {
		registered := *r
		registered.Epoch = int64(b.index)
		r = &registered
	}
	b.brokers = b.brokers.set(r.NodeID, r)
}

func (b *batch) applyTopic(r *TopicRecord) error {
	if _, taken := b.names.get(r.Name); taken {
		return fmt.Errorf("%w: two topics named %q", ErrInvalidRecord, r.Name)
	}
	if b.Topic(r.ID) != nil || b.Removed(r.ID) {
		return fmt.Errorf("%w: two topics with id %s", ErrInvalidRecord, r.ID)
	}
	t := &Topic{ID: r.ID, Name: r.Name, Internal: r.Internal, record: r}
	if !r.Internal {
		t.defaults = b.defaults
	}
	b.put(t)
	b.names = b.names.set(r.Name, r.ID)
	if key, ok := alikeKey(r.Name); ok {
		b.alike = b.alike.set(key, r.ID)
	}
	return nil
}

// applyTopicRemoval also takes the removal of a topic that is not there: that is
// how a snapshot tells of it.
func (b *batch) applyTopicRemoval(r *TopicRemoval) error {
	if b.Removed(r.ID) {
		return fmt.Errorf("%w: topic %s removed twice", ErrInvalidRecord, r.ID)
	}
	if t := b.Topic(r.ID); t != nil {
		b.partitions -= len(t.Partitions)
		b.topics = b.topics.remove(r.ID)
		b.names = b.names.remove(t.Name)
		if key, ok := alikeKey(t.Name); ok {
			b.alike = b.alike.remove(key)
		}
		delete(b.own, r.ID)
	}
	b.removals = b.removals.set(r.ID, b.removed)
	b.removalAge = b.removalAge.set(b.removed, r)
	b.removed++
	if b.removals.len() > maxRemovals {
		oldest := b.removed - maxRemovals - 1
		old, _ := b.removalAge.get(oldest)
		b.removalAge = b.removalAge.remove(oldest)
		b.removals = b.removals.remove(old.ID)
	}
	return nil
}

func (b *batch) applyPartition(r *Partition) error {
	t := b.topic(r.Topic)
	switch {
	case t == nil || int(r.Index) > len(t.Partitions):
		return fmt.Errorf("%w: partition %d of topic %s has no place", ErrInvalidRecord, r.Index, r.Topic)
	case int(r.Index) == len(t.Partitions):
		t.Partitions = append(t.Partitions, r)
		b.partitions++
		return nil
	}
	old := t.Partitions[r.Index]
	if r.Epoch <= old.Epoch || r.LeaderEpoch < old.LeaderEpoch {
		return fmt.Errorf("%w: partition %s/%d goes from epoch %d, leader epoch %d back to %d, %d", ErrInvalidRecord,
			t.Name, r.Index, old.Epoch, old.LeaderEpoch, r.Epoch, r.LeaderEpoch)
	}
	t.Partitions[r.Index] = r
	return nil
}

func (b *batch) applyConfig(r *Config) error {
	switch r.Resource {
	case ResourceTopic:
		t := b.topic(r.Topic)
		if t == nil {
			return fmt.Errorf("%w: config %s of unknown topic %s", ErrInvalidRecord, r.Key, r.Topic)
		}
		if r.Remove {
			delete(t.configs, r.Key)
			return nil
		}
		if t.configs == nil {
			t.configs = map[string]*Config{}
		}
		t.configs[r.Key] = r
	case ResourceBroker:
		key := configKey{r.NodeID, r.Key}
		if r.Remove {
			b.configs = b.configs.remove(key)
		} else {
			b.configs = b.configs.set(key, r)
		}
		if r.NodeID == clusterNode {
			b.applyDefault(r)
		}
	default:
		return fmt.Errorf("%w: config of resource type %d", ErrInvalidRecord, r.Resource)
	}
	return nil
}
