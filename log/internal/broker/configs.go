package broker

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/txn"
)

// configEntry is a config as clients see it.
type configEntry struct {
	meta.TopicConfig
	value    string
	source   kmsg.ConfigSource
	readOnly bool
	synonyms []synonym // none for what is given at the start
}

// startConfig is a config that a node was given at its start, or has by default: it is
// read by clients and never changed. A value that is the default is told as that.
func startConfig(key string, t meta.ConfigType, value, def, effect string) configEntry {
	e := configEntry{
		TopicConfig: meta.TopicConfig{Key: key, Type: t, Effect: effect},
		value:       value, source: kmsg.ConfigSourceDefaultConfig, readOnly: true,
	}
	if value != def {
		e.source = kmsg.ConfigSourceStaticBrokerConfig
		e.synonyms = []synonym{{key, value, e.source}, {key, def, kmsg.ConfigSourceDefaultConfig}}
	}
	return e
}

// brokerConfigs are what this node runs with, by Kafka's names, by key. They are
// given at its start and cannot be changed by a client, but for the defaults of topics'
// configs.
func (b *Broker) brokerConfigs() []configEntry {
	o := &b.opts
	var d Limits
	d.setDefaults()
	number := func(n int) string { return strconv.Itoa(n) }
	id := number(int(o.NodeID))
	entries := []configEntry{
		startConfig("auto.create.topics.enable", meta.ConfigBoolean, strconv.FormatBool(o.AutoCreate), "true", "whether Metadata requests create topics"),
		startConfig("connections.max.idle.ms", meta.ConfigLong, milliseconds(o.Limits.Idle), milliseconds(d.Idle), "when a silent connection is closed"),
		startConfig("default.replication.factor", meta.ConfigInt, "1", "1", "copies of a topic that does not say"),
		startConfig("fetch.max.bytes", meta.ConfigInt, number(o.Limits.FetchBytes), number(d.FetchBytes), "the largest Fetch response"),
		startConfig("max.connections", meta.ConfigInt, number(o.Limits.Connections), number(d.Connections), "open connections of all listeners"),
		perAddress(o.Limits),
		startConfig("max.connections.per.ip.overrides", meta.ConfigString, o.Limits.overrides(), "", "addresses with another bound"),
		{TopicConfig: meta.TopicConfig{Key: "node.id", Type: meta.ConfigInt, Effect: "this node"}, value: id, source: kmsg.ConfigSourceStaticBrokerConfig, readOnly: true},
		startConfig("num.partitions", meta.ConfigInt, number(int(o.DefaultPartitions)), "1", "partitions of a topic that does not say"),
		startConfig("offsets.topic.num.partitions", meta.ConfigInt, number(meta.InternalPartitions), number(meta.InternalPartitions), "partitions of "+meta.OffsetsTopic),
		startConfig("queued.max.request.bytes", meta.ConfigLong, strconv.FormatInt(o.Limits.RequestBytes, 10), strconv.FormatInt(d.RequestBytes, 10), "frames of all connections that are being read or handled"),
		startConfig("socket.request.max.bytes", meta.ConfigInt, number(o.Limits.ProduceBytes), number(d.ProduceBytes), "the largest request"),
		startConfig("transaction.state.log.num.partitions", meta.ConfigInt, number(meta.InternalPartitions), number(meta.InternalPartitions), "partitions of "+meta.TransactionsTopic),
	}
	if o.Groups != nil {
		entries = append(entries, groupConfigs(o.Groups.Config())...)
	}
	if o.Transactions != nil {
		entries = append(entries, transactionConfigs(o.Transactions.Config())...)
	}
	entries = append(entries, defaultConfigs(b.image())...)
	sortConfigs(entries)
	return entries
}

// perAddress is the bound of one address's connections, which follows that of all
// unless it was given.
func perAddress(l Limits) configEntry {
	follows := strconv.Itoa(max(l.Connections/4, 1))
	value := follows
	if l.ConnectionsPerAddress != 0 {
		value = strconv.Itoa(l.ConnectionsPerAddress)
	}
	return startConfig("max.connections.per.ip", meta.ConfigInt, value, follows, "open connections of one address; those of this machine are not bounded unless it was set")
}

func transactionConfigs(c txn.Config) []configEntry {
	d := txn.Config{}.WithDefaults()
	return []configEntry{
		startConfig("transaction.max.timeout.ms", meta.ConfigInt, milliseconds(c.MaxTimeout), milliseconds(d.MaxTimeout), "the longest timeout that a transactional producer may ask for"),
		startConfig("transactional.id.expiration.ms", meta.ConfigInt, milliseconds(c.Expiry), milliseconds(d.Expiry), "how long a transactional id is remembered that nobody uses"),
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
