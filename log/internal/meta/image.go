package meta

import (
	"cmp"
	"hash/fnv"
	"iter"
	"maps"
	"slices"

	"github.com/millrace/millrace/log/internal/quota"
)

// Image is the metadata at one index of its log: immutable, the same on every node.
// Any number of goroutines may read it. What it returns is shared: never change it.
type Image struct {
	index    uint64
	cluster  *Cluster
	features tree[string, *Feature]
	brokers  tree[int32, *Broker]
	topics   tree[ID, *Topic]
	names    tree[string, ID] // derived from topics
	alike    tree[string, ID] // likewise, of names with '.' or '_', by name with all of them '_'
	configs  tree[configKey, *Config]
	groups   tree[groupConfigKey, *GroupConfig]
	blocks   *ProducerIDBlock
	quotas   *quota.Table
	acls     *aclSet

	credentials tree[credentialKey, *ScramCredential]

	// The newest maxRemovals removals: by topic, and by age (removed is the next).
	removals   tree[ID, uint64]
	removalAge tree[uint64, *TopicRemoval]
	removed    uint64

	partitions int
	defaults   map[string]string // of topic configs, derived from configs; never changed
}

// Topic is a topic of an Image.
type Topic struct {
	ID       ID
	Name     string
	Internal bool
	// Partitions by number.
	Partitions []*Partition
	configs    map[string]*Config
	defaults   map[string]string // those of the image, nil for an internal topic
	record     *TopicRecord
}

// Config is the value that a config was set to, and whether it was set.
func (t *Topic) Config(key string) (string, bool) {
	if c, ok := t.configs[key]; ok {
		return c.Value, true
	}
	return "", false
}

// Configs are the configs that were set on the topic, by key.
func (t *Topic) Configs() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(t.configs)) {
			if !yield(key, t.configs[key].Value) {
				return
			}
		}
	}
}

// configKey orders the configs of brokers.
type configKey struct {
	node int32
	key  string
}

func compareConfigKeys(a, b configKey) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.key, b.key))
}

// NewImage is the image before the first record.
func NewImage() *Image {
	return &Image{
		features:    newTree[string, *Feature](cmp.Compare),
		brokers:     newTree[int32, *Broker](cmp.Compare),
		topics:      newTree[ID, *Topic](compareIDs),
		names:       newTree[string, ID](cmp.Compare),
		alike:       newTree[string, ID](cmp.Compare),
		configs:     newTree[configKey, *Config](compareConfigKeys),
		groups:      newTree[groupConfigKey, *GroupConfig](compareGroupConfigKeys),
		acls:        newACLSet(),
		credentials: newTree[credentialKey, *ScramCredential](compareCredentialKeys),
		removals:    newTree[ID, uint64](compareIDs),
		removalAge:  newTree[uint64, *TopicRemoval](cmp.Compare),
	}
}

// Index is that of the last log entry in this image.
func (im *Image) Index() uint64 { return im.index }

// ClusterID is zero until the cluster is made.
func (im *Image) ClusterID() ID {
	if im.cluster == nil {
		return ID{}
	}
	return im.cluster.ID
}

// Feature is the finalized level of a feature, 0 if it has none.
func (im *Image) Feature(name string) int16 {
	if f, ok := im.features.get(name); ok {
		return f.Level
	}
	return 0
}

// Broker is the registration of a node, or nil.
func (im *Image) Broker(node int32) *Broker {
	b, _ := im.brokers.get(node)
	return b
}

// Brokers are all registrations by node id.
func (im *Image) Brokers() iter.Seq[*Broker] { return values(im.brokers) }

// Topic is the topic of an id, or nil.
func (im *Image) Topic(id ID) *Topic {
	t, _ := im.topics.get(id)
	return t
}

// TopicByName is the topic that has the name now, or nil.
func (im *Image) TopicByName(name string) *Topic {
	id, ok := im.names.get(name)
	if !ok {
		return nil
	}
	return im.Topic(id)
}

// Topics are all topics by name.
func (im *Image) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		for _, id := range im.names.all() {
			if !yield(im.Topic(id)) {
				return
			}
		}
	}
}

// TopicCount is the number of topics.
func (im *Image) TopicCount() int { return im.topics.len() }

// PartitionCount is the number of partitions of all topics.
func (im *Image) PartitionCount() int { return im.partitions }

// Partition is a partition's state, or nil.
func (im *Image) Partition(topic ID, index int32) *Partition {
	t := im.Topic(topic)
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[index]
}

// BrokerConfig is what a config was set to for a node, or for all nodes.
func (im *Image) BrokerConfig(node int32, key string) (string, bool) {
	for _, n := range []int32{node, -1} {
		if c, ok := im.configs.get(configKey{n, key}); ok {
			return c.Value, true
		}
	}
	return "", false
}

// Removed reports whether the topic is known to have been deleted, so that what a
// disk still holds of it may be deleted too.
func (im *Image) Removed(topic ID) bool {
	_, ok := im.removals.get(topic)
	return ok
}

// NextProducerID is where the next block begins.
func (im *Image) NextProducerID() int64 {
	if im.blocks == nil {
		return 0
	}
	return im.blocks.Next
}

func values[K, V any](t tree[K, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range t.all() {
			if !yield(v) {
				return
			}
		}
	}
}

// Records are what makes this image out of an empty one: a snapshot. The order is
// the same on every node.
func (im *Image) Records() []Record {
	var rs []Record
	if im.cluster != nil {
		rs = append(rs, im.cluster)
	}
	for _, f := range im.features.all() {
		rs = append(rs, f)
	}
	for _, b := range im.brokers.all() {
		rs = append(rs, b)
	}
	for _, c := range im.configs.all() {
		rs = append(rs, c)
	}
	for _, r := range im.groups.all() {
		rs = append(rs, r)
	}
	if im.blocks != nil {
		rs = append(rs, im.blocks)
	}
	rs = append(rs, im.quotaRecords()...)
	for _, r := range im.credentials.all() {
		rs = append(rs, r)
	}
	for _, r := range im.acls.entries.all() {
		rs = append(rs, r)
	}
	for _, r := range im.removalAge.all() {
		rs = append(rs, r)
	}
	for _, t := range im.topics.all() {
		rs = append(rs, t.record)
		for _, p := range t.Partitions {
			rs = append(rs, p)
		}
		for _, key := range slices.Sorted(maps.Keys(t.configs)) {
			rs = append(rs, t.configs[key])
		}
	}
	return rs
}

// Fingerprint tells images apart that should be equal: a checksum of all records.
func (im *Image) Fingerprint() uint64 {
	h := fnv.New64a()
	for _, r := range im.Records() {
		h.Write(AppendRecord(nil, r))
	}
	return h.Sum64()
}
