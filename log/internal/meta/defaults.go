package meta

import (
	"cmp"
	"iter"
	"maps"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// clusterNode is the node id of configs that hold for all nodes.
const clusterNode = -1

// brokerKeys are the broker configs of Kafka that are the defaults of topic configs,
// by the topic config's key. They are changed for all nodes at once: a default that
// depended on who leads a partition would change with its leader.
var brokerKeys = map[string]string{
	"cleanup.policy":                  "log.cleanup.policy",
	"compression.type":                "compression.type",
	"delete.retention.ms":             "log.cleaner.delete.retention.ms",
	"file.delete.delay.ms":            "log.segment.delete.delay.ms",
	"flush.messages":                  "log.flush.interval.messages",
	"flush.ms":                        "log.flush.interval.ms",
	"index.interval.bytes":            "log.index.interval.bytes",
	"max.compaction.lag.ms":           "log.cleaner.max.compaction.lag.ms",
	"max.message.bytes":               "message.max.bytes",
	"message.timestamp.after.max.ms":  "log.message.timestamp.after.max.ms",
	"message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
	"message.timestamp.type":          "log.message.timestamp.type",
	"min.cleanable.dirty.ratio":       "log.cleaner.min.cleanable.ratio",
	"min.compaction.lag.ms":           "log.cleaner.min.compaction.lag.ms",
	"min.insync.replicas":             "min.insync.replicas",
	"preallocate":                     "log.preallocate",
	"retention.bytes":                 "log.retention.bytes",
	"retention.ms":                    "log.retention.ms",
	"segment.bytes":                   "log.segment.bytes",
	"segment.index.bytes":             "log.index.size.max.bytes",
	"segment.jitter.ms":               "log.roll.jitter.ms",
	"segment.ms":                      "log.roll.ms",
	"unclean.leader.election.enable":  "unclean.leader.election.enable",
}

// topicKeys is brokerKeys the other way round.
var topicKeys = func() map[string]string {
	keys := map[string]string{}
	for topic, broker := range brokerKeys {
		keys[broker] = topic
	}
	return keys
}()

// BrokerKey is the broker config that is the default of a topic config.
func (c TopicConfig) BrokerKey() string { return brokerKeys[c.Key] }

// Default is the default that the cluster was given for a topic config, and whether
// it was given one. The log's own topics have none but the program's.
func (t *Topic) Default(key string) (string, bool) {
	v, ok := t.defaults[key]
	return v, ok
}

// Defaults are the configs that were set for all nodes, by key.
func (im *Image) Defaults() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for k, c := range im.configs.all() {
			if k.node == clusterNode && !yield(k.key, c.Value) {
				return
			}
		}
	}
}

// applyDefault takes a config of all nodes over into every topic. That copies the
// topics, so that whoever compares images by them sees that they have changed.
func (b *batch) applyDefault(r *Config) {
	key, ok := topicKeys[r.Key]
	if !ok {
		return
	}
	defaults := maps.Clone(b.defaults)
	if r.Remove {
		delete(defaults, key)
	} else {
		if defaults == nil {
			defaults = map[string]string{}
		}
		defaults[key] = r.Value
	}
	b.defaults = defaults
	for t := range values(b.topics) {
		if !t.Internal {
			b.topic(t.ID).defaults = defaults
		}
	}
}

// AlterDefaults changes configs of all nodes, all or none. The answer is nil or a
// *Refusal.
type AlterDefaults struct {
	// Replace removes every config that Changes does not set.
	Replace      bool
	Changes      []ConfigChange
	ValidateOnly bool
}

func (c *Controller) alterDefaults(req AlterDefaults) ([]Record, error) {
	var records []Record
	named := map[string]bool{}
	for _, ch := range req.Changes {
		if named[ch.Key] {
			return nil, refuse(kerr.InvalidRequest, "config %s is changed twice", ch.Key)
		}
		named[ch.Key] = true
		r, err := c.changedDefault(ch)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	if req.Replace {
		for key := range c.image.Defaults() {
			if !named[key] {
				records = append(records, defaultConfig(key))
			}
		}
	}
	if req.ValidateOnly {
		return nil, nil
	}
	return records, nil
}

// changedDefault refuses with INVALID_REQUEST what Kafka refuses with it (KAFKA-13609).
func (c *Controller) changedDefault(ch ConfigChange) (*Config, error) {
	key, ok := topicKeys[ch.Key]
	if !ok {
		return nil, refuse(kerr.InvalidRequest, "%s cannot be changed while nodes run: only the defaults of topics can, and the rest is given at a node's start (--config)", ch.Key)
	}
	def, _ := findTopicConfig(key)
	r := defaultConfig(ch.Key)
	switch ch.Op {
	case ConfigDelete:
		return r, nil
	case ConfigSet:
		r.Value = ch.Value
	case ConfigAppend, ConfigSubtract:
		if def.Type != ConfigList {
			return nil, refuse(kerr.InvalidConfig, "%s is no list: it can be set or deleted", ch.Key)
		}
		r.Value = strings.Join(changedList(splitList(cmp.Or(c.image.defaults[key], def.Default)), ch), ",")
	default:
		return nil, refuse(kerr.InvalidRequest, "no config operation %d", ch.Op)
	}
	r.Remove = false
	if err := CheckTopicConfig(key, r.Value); err != nil {
		return nil, refuse(kerr.InvalidRequest, "%s: %v", ch.Key, err)
	}
	return r, nil
}

// defaultConfig is the removal of a config of all nodes.
func defaultConfig(key string) *Config {
	return &Config{Resource: ResourceBroker, NodeID: clusterNode, Key: key, Remove: true}
}
