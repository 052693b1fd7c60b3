package broker

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
)

// groupConfigs are how the group coordinator behaves, by Kafka's names. They are
// given at the node's start.
func groupConfigs(c group.Config) []configEntry {
	entry := func(key string, t meta.ConfigType, value string, effect string) configEntry {
		return configEntry{
			TopicConfig: meta.TopicConfig{Key: key, Type: t, Effect: effect},
			value:       value, source: kmsg.ConfigSourceStaticBrokerConfig, readOnly: true,
		}
	}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	minutes := int64(-1)
	if c.OffsetsRetention >= 0 {
		minutes = int64(c.OffsetsRetention / time.Minute)
	}
	return []configEntry{
		entry("group.consumer.assignors", meta.ConfigList, group.Assignors(), "who can assign partitions in consumer groups, the default first"),
		entry("group.consumer.heartbeat.interval.ms", meta.ConfigInt, ms(c.ConsumerHeartbeat), "how often members of consumer groups are heard of"),
		entry("group.consumer.max.size", meta.ConfigInt, strconv.Itoa(c.MaxSize), "members of a consumer group"),
		entry("group.consumer.migration.policy", meta.ConfigString, "bidirectional", "groups with members move between the classic and the consumer protocol"),
		entry("group.consumer.session.timeout.ms", meta.ConfigInt, ms(c.ConsumerSession), "silence after which a member of a consumer group is removed"),
		entry("group.coordinator.rebalance.protocols", meta.ConfigList, "classic,consumer", "protocols of groups that are served"),
		entry("group.initial.rebalance.delay.ms", meta.ConfigInt, ms(max(c.InitialDelay, 0)), "quiet time before the first rebalance of a classic group; it waits "+c.InitialDelayMax.String()+" at most"),
		entry("group.max.session.timeout.ms", meta.ConfigInt, ms(c.MaxSession), "longest session of a member of a classic group"),
		entry("group.max.size", meta.ConfigInt, strconv.Itoa(c.MaxSize), "members of a classic group"),
		entry("group.min.session.timeout.ms", meta.ConfigInt, ms(c.MinSession), "shortest session of a member of a classic group"),
		entry("offset.metadata.max.bytes", meta.ConfigInt, strconv.Itoa(c.MaxMetadataBytes), "metadata of a committed offset"),
		entry("offsets.retention.check.interval.ms", meta.ConfigLong, ms(c.OffsetsCheck), "how often to look for expired offsets"),
		entry("offsets.retention.minutes", meta.ConfigInt, strconv.FormatInt(minutes, 10), "how long offsets are kept that nobody uses; -1 for ever"),
	}
}

func sortConfigs(entries []configEntry) {
	slices.SortFunc(entries, func(a, b configEntry) int { return cmp.Compare(a.Key, b.Key) })
}
