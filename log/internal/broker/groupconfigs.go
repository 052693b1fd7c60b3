package broker

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
)

// groupConfigs are how the group coordinator behaves, by Kafka's names. They are
// given at the node's start.
func groupConfigs(c group.Config) []configEntry {
	d := group.Config{}.WithDefaults()
	number, ms := strconv.Itoa, milliseconds
	return []configEntry{
		startConfig("group.consumer.assignors", meta.ConfigList, group.Assignors(), group.Assignors(), "who can assign partitions in consumer groups, the default first"),
		startConfig("group.consumer.heartbeat.interval.ms", meta.ConfigInt, ms(c.ConsumerHeartbeat), ms(d.ConsumerHeartbeat), "how often members of consumer groups are heard of"),
		startConfig("group.consumer.max.heartbeat.interval.ms", meta.ConfigInt, ms(c.ConsumerMaxHeartbeat), ms(d.ConsumerMaxHeartbeat), "the longest interval that a single consumer group can be given"),
		startConfig("group.consumer.max.session.timeout.ms", meta.ConfigInt, ms(c.ConsumerMaxSession), ms(d.ConsumerMaxSession), "the longest session that a single consumer group can be given"),
		startConfig("group.consumer.min.heartbeat.interval.ms", meta.ConfigInt, ms(c.ConsumerMinHeartbeat), ms(d.ConsumerMinHeartbeat), "the shortest interval that a single consumer group can be given"),
		startConfig("group.consumer.min.session.timeout.ms", meta.ConfigInt, ms(c.ConsumerMinSession), ms(d.ConsumerMinSession), "the shortest session that a single consumer group can be given"),
		startConfig("group.consumer.max.size", meta.ConfigInt, number(c.MaxSize), number(d.MaxSize), "members of a consumer group; the same as group.max.size"),
		startConfig("group.consumer.migration.policy", meta.ConfigString, "bidirectional", "bidirectional", "groups with members move between the classic and the consumer protocol"),
		startConfig("group.consumer.session.timeout.ms", meta.ConfigInt, ms(c.ConsumerSession), ms(d.ConsumerSession), "silence after which a member of a consumer group is removed"),
		startConfig("group.coordinator.rebalance.protocols", meta.ConfigList, "classic,consumer", "classic,consumer", "protocols of groups that are served"),
		startConfig("group.initial.rebalance.delay.ms", meta.ConfigInt, ms(max(c.InitialDelay, 0)), ms(d.InitialDelay), "quiet time before the first rebalance of a classic group; it waits "+c.InitialDelayMax.String()+" at most"),
		startConfig("group.max.session.timeout.ms", meta.ConfigInt, ms(c.MaxSession), ms(d.MaxSession), "longest session of a member of a classic group"),
		startConfig("group.max.size", meta.ConfigInt, number(c.MaxSize), number(d.MaxSize), "members of a group"),
		startConfig("group.min.session.timeout.ms", meta.ConfigInt, ms(c.MinSession), ms(d.MinSession), "shortest session of a member of a classic group"),
		startConfig("offset.metadata.max.bytes", meta.ConfigInt, number(c.MaxMetadataBytes), number(d.MaxMetadataBytes), "metadata of a committed offset"),
		startConfig("offsets.retention.check.interval.ms", meta.ConfigLong, ms(c.OffsetsCheck), ms(d.OffsetsCheck), "how often to look for expired offsets"),
		startConfig("offsets.retention.minutes", meta.ConfigInt, minutes(c.OffsetsRetention), minutes(d.OffsetsRetention), "how long offsets are kept that nobody uses; -1 for ever"),
	}
}

// minutes is a time that may be for ever.
func minutes(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	return strconv.FormatInt(int64(d/time.Minute), 10)
}

func sortConfigs(entries []configEntry) {
	slices.SortFunc(entries, func(a, b configEntry) int { return cmp.Compare(a.Key, b.Key) })
}
