package broker

import (
	"cmp"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
)

// configEntry is a config as clients see it.
type configEntry struct {
	meta.TopicConfig
	value    string
	source   kmsg.ConfigSource
	readOnly bool
	synonyms []synonym // none for what is given at the start
}

// brokerConfigs are what this node runs with, by Kafka's names, by key. They are
// given at its start and cannot be changed by a client, but for the defaults of topics'
// configs.
func (b *Broker) brokerConfigs() []configEntry {
	static := func(key string, t meta.ConfigType, value string, effect string) configEntry {
		return configEntry{
			TopicConfig: meta.TopicConfig{Key: key, Type: t, Effect: effect},
			value:       value, source: kmsg.ConfigSourceStaticBrokerConfig, readOnly: true,
		}
	}
	o := &b.opts
	entries := []configEntry{
		static("auto.create.topics.enable", meta.ConfigBoolean, strconv.FormatBool(o.AutoCreate), "whether Metadata requests create topics"),
		static("connections.max.idle.ms", meta.ConfigLong, strconv.FormatInt(o.Limits.Idle.Milliseconds(), 10), "when a silent connection is closed"),
		static("default.replication.factor", meta.ConfigInt, "1", "copies of a topic that does not say"),
		static("fetch.max.bytes", meta.ConfigInt, strconv.Itoa(o.Limits.FetchBytes), "the largest Fetch response"),
		static("max.connections", meta.ConfigInt, strconv.Itoa(o.Limits.Connections), "open connections of all listeners"),
		static("max.connections.per.ip", meta.ConfigInt, strconv.Itoa(cmp.Or(o.Limits.ConnectionsPerAddress, max(o.Limits.Connections/4, 1))), "open connections of one address; those of this machine are not bounded unless it was set"),
		static("max.connections.per.ip.overrides", meta.ConfigString, o.Limits.overrides(), "addresses with another bound"),
		static("node.id", meta.ConfigInt, strconv.Itoa(int(o.NodeID)), "this node"),
		static("num.partitions", meta.ConfigInt, strconv.Itoa(int(o.DefaultPartitions)), "partitions of a topic that does not say"),
		static("offsets.topic.num.partitions", meta.ConfigInt, strconv.Itoa(meta.InternalPartitions), "partitions of "+meta.OffsetsTopic),
		static("queued.max.request.bytes", meta.ConfigLong, strconv.FormatInt(o.Limits.RequestBytes, 10), "frames of all connections that are being read or handled"),
		static("socket.request.max.bytes", meta.ConfigInt, strconv.Itoa(o.Limits.ProduceBytes), "the largest request"),
		static("transaction.state.log.num.partitions", meta.ConfigInt, strconv.Itoa(meta.InternalPartitions), "partitions of "+meta.TransactionsTopic),
	}
	if o.Groups != nil {
		entries = append(entries, groupConfigs(o.Groups.Config())...)
	}
	entries = append(entries, defaultConfigs(b.image())...)
	sortConfigs(entries)
	return entries
}
