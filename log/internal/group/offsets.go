package group

import (
	"cmp"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerProtocol is the protocol type of consumers. Only for it the coordinator
// knows what the metadata of a member means.
const consumerProtocol = "consumer"

// offsetKey names a committed offset.
type offsetKey struct {
	group, topic string
	partition    int32
}

func compareKeys(a, b offsetKey) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

// committed is an offset that was committed, by a member, by a client that manages
// itself, or by a transaction.
type committed struct {
	offset      int64
	leaderEpoch int32 // of the record before the offset, -1 if the client did not say
	metadata    string
	commitMs    int64
	expireMs    int64 // -1 unless the commit asked for a retention of its own
	topicID     [16]byte
	// position is the place of the commit in the log. The later one counts, also when
	// a transaction is decided long after it committed.
	position int64
}

// store makes a commit visible, unless a later one is.
func (g *group) store(topic string, partition int32, o committed) {
	byPartition := g.offsets[topic]
	if byPartition == nil {
		byPartition = map[int32]committed{}
		g.offsets[topic] = byPartition
	}
	if old, ok := byPartition[partition]; !ok || old.position < o.position {
		byPartition[partition] = o
	}
}

// drop removes a visible commit and reports whether there was one.
func (g *group) drop(topic string, partition int32) bool {
	_, ok := g.offsets[topic][partition]
	delete(g.offsets[topic], partition)
	if len(g.offsets[topic]) == 0 {
		delete(g.offsets, topic)
	}
	return ok
}

// topics are the topics with committed offsets, in order.
func (g *group) topics() []string { return slices.Sorted(maps.Keys(g.offsets)) }

// partitions are the partitions of a topic with committed offsets, in order.
func (g *group) partitions(topic string) []int32 {
	return slices.Sorted(maps.Keys(g.offsets[topic]))
}

// subscribed reports whether a member of a consumer group reads the topic.
func (g *group) subscribed(topic string) bool {
	if g.consumers != nil {
		return g.consumers.reads(topic)
	}
	if g.protocolType != consumerProtocol {
		return false
	}
	for _, m := range g.members {
		for _, p := range m.protocols {
			var meta kmsg.ConsumerMemberMetadata
			if meta.ReadFrom(p.Metadata) == nil && slices.Contains(meta.Topics, topic) {
				return true
			}
		}
	}
	return false
}

// forget drops an offset, visible or waiting for its transaction, and notes the
// tombstone.
func (c *Core) forget(k offsetKey) {
	had := false
	if g := c.groups[k.group]; g != nil {
		had = g.drop(k.topic, k.partition)
	}
	had = c.dropPending(k) || had
	if had {
		c.note(offsetRecordKey(k), nil)
	}
}

// keys are the offsets of a group, visible or waiting, that match, in order.
func (c *Core) keys(g *group, match func(offsetKey) bool) []offsetKey {
	var keys []offsetKey
	for topic, byPartition := range g.offsets {
		for p := range byPartition {
			keys = append(keys, offsetKey{g.id, topic, p})
		}
	}
	for k := range c.pending {
		if k.group == g.id {
			keys = append(keys, k)
		}
	}
	keys = slices.DeleteFunc(keys, func(k offsetKey) bool { return !match(k) })
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}
