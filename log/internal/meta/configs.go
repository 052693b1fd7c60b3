package meta

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ConfigType is the type of a config's value, numbered as in DescribeConfigs.
type ConfigType int8

// The types of config values.
const (
	ConfigBoolean ConfigType = 1
	ConfigString  ConfigType = 2
	ConfigInt     ConfigType = 3
	ConfigLong    ConfigType = 5
	ConfigDouble  ConfigType = 6
	ConfigList    ConfigType = 7
)

// TopicConfig is a config that a topic can have.
type TopicConfig struct {
	Key     string
	Type    ConfigType
	Default string
	// Effect says what it does here. "" means that it is kept and shown, so that
	// tools which set it work, and changes nothing.
	Effect string
	// Min and Max bound a number; OneOf are the values or list elements allowed.
	Min, Max float64
	OneOf    []string
}

const (
	maxInt  = math.MaxInt32
	maxLong = math.MaxInt64
)

// topicConfigs are Kafka's, with Kafka's defaults, by key.
var topicConfigs = []TopicConfig{
	{Key: "cleanup.policy", Type: ConfigList, Default: "delete", OneOf: []string{"delete", "compact"},
		Effect: "with delete, old segments go by retention.ms and retention.bytes; with compact, records whose key has a later one go; both may be given"},
	{Key: "compression.type", Type: ConfigString, Default: "producer", OneOf: []string{"producer"},
		Effect: "batches are stored as they were received: producer is the only value"},
	{Key: "delete.retention.ms", Type: ConfigLong, Default: "86400000", Max: maxLong,
		Effect: "how long compaction keeps tombstones, and the markers of transactions of which nothing is left, after it first found them so"},
	{Key: "file.delete.delay.ms", Type: ConfigLong, Default: "60000", Max: maxLong},
	{Key: "flush.messages", Type: ConfigLong, Default: "9223372036854775807", Min: 1, Max: maxLong},
	{Key: "flush.ms", Type: ConfigLong, Default: "9223372036854775807", Max: maxLong},
	{Key: "index.interval.bytes", Type: ConfigInt, Default: "4096", Max: maxInt},
	{Key: "max.compaction.lag.ms", Type: ConfigLong, Default: "9223372036854775807", Min: 1, Max: maxLong,
		Effect: "a record waits no longer for compaction, whatever min.cleanable.dirty.ratio says; also ends a segment of a compacted topic at that age"},
	{Key: "max.message.bytes", Type: ConfigInt, Default: "1048588", Max: maxInt,
		Effect: "the largest record batch that the topic takes, as it arrives"},
	{Key: "message.timestamp.after.max.ms", Type: ConfigLong, Default: "3600000", Max: maxLong,
		Effect: "how far a producer's timestamp may be ahead of the node's clock"},
	{Key: "message.timestamp.before.max.ms", Type: ConfigLong, Default: "9223372036854775807", Max: maxLong,
		Effect: "how far a producer's timestamp may be behind the node's clock"},
	{Key: "message.timestamp.type", Type: ConfigString, Default: "CreateTime", OneOf: []string{"CreateTime", "LogAppendTime"},
		Effect: "whether records keep their producer's time or get that of the append"},
	{Key: "min.cleanable.dirty.ratio", Type: ConfigDouble, Default: "0.5", Max: 1,
		Effect: "how much of what may be compacted has to be new, in bytes, before it is"},
	{Key: "min.compaction.lag.ms", Type: ConfigLong, Default: "0", Max: maxLong,
		Effect: "segments with a record younger than that are not compacted"},
	{Key: "min.insync.replicas", Type: ConfigInt, Default: "1", Min: 1, Max: maxInt,
		Effect: "with fewer replicas in sync nothing becomes visible, and acks=all is refused"},
	{Key: "preallocate", Type: ConfigBoolean, Default: "false", OneOf: []string{"true", "false"}},
	{Key: "retention.bytes", Type: ConfigLong, Default: "-1", Min: -1, Max: maxLong,
		Effect: "how large a partition grows before its oldest segments go; -1 is no limit"},
	{Key: "retention.ms", Type: ConfigLong, Default: "604800000", Min: -1, Max: maxLong,
		Effect: "how old a segment's newest record gets before the segment goes; -1 is no limit"},
	{Key: "segment.bytes", Type: ConfigInt, Default: "1073741824", Min: 1 << 10, Max: maxInt,
		Effect: "the size at which a segment file is full"},
	{Key: "segment.index.bytes", Type: ConfigInt, Default: "10485760", Min: 4, Max: maxInt},
	{Key: "segment.jitter.ms", Type: ConfigLong, Default: "0", Max: maxLong},
	{Key: "segment.ms", Type: ConfigLong, Default: "604800000", Min: 1, Max: maxLong,
		Effect: "the age at which a segment file is full"},
	{Key: "unclean.leader.election.enable", Type: ConfigBoolean, Default: "false", OneOf: []string{"true", "false"}},
}

// TopicConfigs are the configs that a topic can have, by key. The caller owns the
// slice.
func TopicConfigs() []TopicConfig { return slices.Clone(topicConfigs) }

func findTopicConfig(key string) (TopicConfig, bool) {
	i, ok := slices.BinarySearchFunc(topicConfigs, key, func(c TopicConfig, key string) int { return strings.Compare(c.Key, key) })
	if !ok {
		return TopicConfig{}, false
	}
	return topicConfigs[i], true
}

// CheckTopicConfig refuses a config that topics do not have, or a value that it
// cannot have. The error is a *Refusal.
func CheckTopicConfig(key, value string) error {
	c, ok := findTopicConfig(key)
	if !ok {
		return refuse(kerr.InvalidConfig, "topics have no config %q", key)
	}
	if len(value) > maxStringBytes {
		return refuse(kerr.InvalidConfig, "%s: %d bytes are too long", key, len(value))
	}
	if err := c.check(value); err != nil {
		return refuse(kerr.InvalidConfig, "%s=%q: %v", key, value, err)
	}
	return nil
}

func (c TopicConfig) check(value string) error {
	switch c.Type {
	case ConfigInt, ConfigLong:
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return errors.New("not a whole number")
		}
		return c.checkRange(float64(v))
	case ConfigDouble:
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("not a number")
		}
		return c.checkRange(v)
	case ConfigList:
		for _, part := range splitList(value) {
			if !slices.Contains(c.OneOf, part) {
				return fmt.Errorf("%q is not one of %s", part, strings.Join(c.OneOf, ", "))
			}
		}
		return nil
	default:
		if !slices.Contains(c.OneOf, value) {
			return fmt.Errorf("not one of %s", strings.Join(c.OneOf, ", "))
		}
		return nil
	}
}

func (c TopicConfig) checkRange(v float64) error {
	if !(v >= c.Min && v <= c.Max) {
		return fmt.Errorf("not between %.0f and %.0f", c.Min, c.Max)
	}
	return nil
}

func splitList(value string) []string {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// value is what a config is set to, or its default.
func (t *Topic) value(key string) string {
	if v, ok := t.Config(key); ok {
		return v
	}
	if v, ok := t.Default(key); ok {
		return v
	}
	c, ok := findTopicConfig(key)
	if !ok {
		panic("meta: no topic config " + key)
	}
	return c.Default
}

// Number is a whole-number config, set or default.
func (t *Topic) Number(key string) int64 {
	v, err := strconv.ParseInt(t.value(key), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("meta: config %s of topic %s passed the check: %v", key, t.Name, err))
	}
	return v
}

// Ratio is a config that is a fraction, set or default.
func (t *Topic) Ratio(key string) float64 {
	v, err := strconv.ParseFloat(t.value(key), 64)
	if err != nil {
		panic(fmt.Sprintf("meta: config %s of topic %s passed the check: %v", key, t.Name, err))
	}
	return v
}

// MinInSync is how many replicas must have a record before it is committed.
func (t *Topic) MinInSync() int { return int(t.Number("min.insync.replicas")) }

// Cleans reports whether cleanup.policy has the policy: delete or compact.
func (t *Topic) Cleans(policy string) bool {
	return slices.Contains(splitList(t.value("cleanup.policy")), policy)
}

// LogAppendTime reports whether records get the time of their append.
func (t *Topic) LogAppendTime() bool { return t.value("message.timestamp.type") == "LogAppendTime" }

// alterConfigs decides on changes of topic configs.
func (c *Controller) alterConfigs(req AlterConfigs) (any, []Record) {
	return each(c, req.ValidateOnly, req.Topics, func(change ConfigChanges) (ID, []Record, error) {
		t, err := c.find(change.Topic)
		if err != nil {
			return ID{}, nil, err
		}
		records, err := changedConfigs(t, change)
		return t.ID, records, err
	})
}

func changedConfigs(t *Topic, change ConfigChanges) ([]Record, error) {
	var records []Record
	named := map[string]bool{}
	for _, ch := range change.Changes {
		if named[ch.Key] {
			return nil, refuse(kerr.InvalidRequest, "config %s of topic %q is changed twice", ch.Key, t.Name)
		}
		named[ch.Key] = true
		r, err := changedConfig(t, ch)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	if change.Replace {
		for key := range t.Configs() {
			if !named[key] {
				records = append(records, &Config{Resource: ResourceTopic, Topic: t.ID, NodeID: -1, Key: key, Remove: true})
			}
		}
	}
	if t.Internal && len(records) > 0 {
		return nil, refuse(kerr.InvalidRequest, "topic %q is the log's own: its configs are fixed", t.Name)
	}
	return records, nil
}

func changedConfig(t *Topic, ch ConfigChange) (Record, error) {
	def, ok := findTopicConfig(ch.Key)
	if !ok {
		return nil, refuse(kerr.InvalidConfig, "topics have no config %q", ch.Key)
	}
	r := &Config{Resource: ResourceTopic, Topic: t.ID, NodeID: -1, Key: ch.Key}
	switch ch.Op {
	case ConfigDelete:
		r.Remove = true
		return r, nil
	case ConfigSet:
		r.Value = ch.Value
	case ConfigAppend, ConfigSubtract:
		if def.Type != ConfigList {
			return nil, refuse(kerr.InvalidConfig, "%s is no list: it can be set or deleted", ch.Key)
		}
		r.Value = strings.Join(changedList(splitList(t.value(ch.Key)), ch), ",")
	default:
		return nil, refuse(kerr.InvalidRequest, "no config operation %d", ch.Op)
	}
	return r, CheckTopicConfig(r.Key, r.Value)
}

func changedList(list []string, ch ConfigChange) []string {
	for _, part := range splitList(ch.Value) {
		list = slices.DeleteFunc(list, func(s string) bool { return s == part })
		if ch.Op == ConfigAppend {
			list = append(list, part)
		}
	}
	return list
}
