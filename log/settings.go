package log

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/log/internal/meta"
)

// ErrUnknownSetting is that of Options.Set for a name that it does not know.
var ErrUnknownSetting = errors.New("a node is given no setting of this name")

// Setting is what a node can be given at its start by the name of Kafka's broker
// config: see Options.Set. Clients are shown what a node uses by DescribeConfigs.
type Setting struct {
	Key string
	// Default is what the node uses where nothing is said; "" means that it follows from
	// something else, as Effect tells, or is nothing.
	Default string
	// Effect says in a few words what it does.
	Effect string

	set func(o *Options, value string) error
}

// Settings are all that Options.Set takes, by key. What topics take their configs from
// where they have none (log.retention.ms and the like) is none of a node's: the cluster
// keeps it, and clients change it while nodes run.
func Settings() []Setting { return slices.Clone(settings) }

// Set gives a setting by the name of Kafka's broker config, for example
// group.max.session.timeout.ms, and says what is wrong with it if it cannot be. What it
// changes is the field of Options that is about the same.
func (o *Options) Set(key, value string) error {
	i, found := slices.BinarySearchFunc(settings, key, func(s Setting, key string) int { return strings.Compare(s.Key, key) })
	if !found {
		for _, c := range meta.TopicConfigs() {
			if c.BrokerKey() == key {
				return fmt.Errorf("%s: defaults of topics are kept by the cluster: start the node, then millrace config set broker %[1]s=%s", key, value)
			}
		}
		return fmt.Errorf("%s: %w", key, ErrUnknownSetting)
	}
	if err := settings[i].set(o, strings.TrimSpace(value)); err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

// settings are in the order of their keys.
var settings = []Setting{
	{"auto.create.topics.enable", "true", "topics that clients ask for are created", func(o *Options, v string) error {
		on, err := truth(v)
		o.NoAutoCreate = !on
		return err
	}},
	{"connections.max.idle.ms", "600000", "a connection that asks nothing for so long is closed", span(1, func(o *Options) *time.Duration { return &o.MaxIdle })},
	{"group.consumer.heartbeat.interval.ms", "5000", "how often members of consumer groups are heard of", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerHeartbeat })},
	{"group.consumer.max.heartbeat.interval.ms", "15000", "the longest interval that a single consumer group can be given", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerMaxHeartbeat })},
	{"group.consumer.max.session.timeout.ms", "60000", "the longest session that a single consumer group can be given", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerMaxSession })},
	{"group.consumer.min.heartbeat.interval.ms", "5000", "the shortest interval that a single consumer group can be given", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerMinHeartbeat })},
	{"group.consumer.min.session.timeout.ms", "45000", "the shortest session that a single consumer group can be given", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerMinSession })},
	{"group.consumer.session.timeout.ms", "45000", "silence after which a member of a consumer group is removed", span(1, func(o *Options) *time.Duration { return &o.Groups.ConsumerSession })},
	{"group.initial.rebalance.delay.ms", "100", "quiet time before the first rebalance of an empty classic group; 0 for none", func(o *Options, v string) error {
		err := span(0, func(o *Options) *time.Duration { return &o.Groups.InitialDelay })(o, v)
		if err == nil && o.Groups.InitialDelay == 0 {
			o.Groups.InitialDelay = -1
		}
		return err
	}},
	{"group.max.session.timeout.ms", "1800000", "longest session of a member of a classic group", span(1, func(o *Options) *time.Duration { return &o.Groups.MaxSession })},
	{"group.max.size", "10000", "members of a group, of either kind", count(1, func(o *Options) *int { return &o.Groups.MaxSize })},
	{"group.min.session.timeout.ms", "6000", "shortest session of a member of a classic group", span(1, func(o *Options) *time.Duration { return &o.Groups.MinSession })},
	{"max.connections", "4096", "connections of all listeners together", count(1, func(o *Options) *int { return &o.MaxConnections })},
	{"max.connections.per.ip", "", "connections of one address: a quarter of all, and those of this machine may have them all, unless it is given", count(1, func(o *Options) *int { return &o.MaxConnectionsPerAddress })},
	{"max.connections.per.ip.overrides", "", "bounds of single addresses, ADDRESS:N,...; 0 is no bound of its own", overrides},
	{"num.partitions", "1", "partitions of a topic that does not say", func(o *Options, v string) error {
		n := 0
		err := count(1, func(*Options) *int { return &n })(o, v)
		o.DefaultPartitions = int32(n)
		return err
	}},
	{"offset.metadata.max.bytes", "4096", "metadata of a committed offset", count(1, func(o *Options) *int { return &o.Groups.MaxMetadataBytes })},
	{"offsets.retention.check.interval.ms", "600000", "how often to look for expired offsets", span(1, func(o *Options) *time.Duration { return &o.Groups.OffsetsCheck })},
	{"offsets.retention.minutes", "10080", "how long offsets are kept that nobody uses; -1 for ever", func(o *Options, v string) error {
		if v == "-1" {
			o.OffsetsRetention = -1
			return nil
		}
		n, err := whole(v, 1, 100*366*24*60)
		o.OffsetsRetention = time.Duration(n) * time.Minute
		return err
	}},
	{"transaction.max.timeout.ms", "900000", "the longest timeout that a transactional producer may ask for", span(1, func(o *Options) *time.Duration { return &o.Transactions.MaxTimeout })},
	{"transactional.id.expiration.ms", "604800000", "how long a transactional id is remembered that nobody uses", span(1, func(o *Options) *time.Duration { return &o.Transactions.Expiry })},
}

// maxSpan is the longest time of a setting in milliseconds, Kafka's for an int.
const maxSpan = (1<<31 - 1) * time.Millisecond

// span takes a time in milliseconds, from least on.
func span(least int64, field func(*Options) *time.Duration) func(*Options, string) error {
	return func(o *Options, v string) error {
		n, err := whole(v, least, int64(maxSpan/time.Millisecond))
		if err == nil {
			*field(o) = time.Duration(n) * time.Millisecond
		}
		return err
	}
}

// count takes a number from least on.
func count(least int64, field func(*Options) *int) func(*Options, string) error {
	return func(o *Options, v string) error {
		n, err := whole(v, least, 1<<31-1)
		if err == nil {
			*field(o) = int(n)
		}
		return err
	}
}

func whole(v string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("write a whole number from %d to %d", least, most)
	}
	return n, nil
}

func truth(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("write true or false")
}

// overrides takes Kafka's list of addresses with their bounds; the last colon divides,
// since addresses may have some.
func overrides(o *Options, v string) error {
	bounds := map[string]int{}
	for part := range strings.SplitSeq(v, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		at := strings.LastIndexByte(part, ':')
		if at < 0 {
			return fmt.Errorf("write ADDRESS:N,..., not %q", part)
		}
		n, err := whole(part[at+1:], 0, 1<<31-1)
		if err != nil {
			return fmt.Errorf("%q: %w", part, err)
		}
		bounds[strings.Trim(part[:at], "[]")] = int(n)
	}
	o.MaxConnectionsOfAddress = bounds
	return nil
}
