package log

import (
	"strconv"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/metrics"
	"github.com/millrace/millrace/log/internal/replica"
)

// Topics and partitions: the names that begin with kafka_ are kafka_exporter's, with
// its labels and what they mean there.
var (
	kafkaBrokers = families.New(metrics.Gauge, "kafka_brokers",
		"Brokers in the cluster.")
	kafkaTopicPartitions = families.New(metrics.Gauge, "kafka_topic_partitions",
		"Partitions of the topic.", "topic")
	kafkaCurrentOffset = families.New(metrics.Gauge, "kafka_topic_partition_current_offset",
		"Offset after the last committed record (the high watermark).", "topic", "partition")
	kafkaOldestOffset = families.New(metrics.Gauge, "kafka_topic_partition_oldest_offset",
		"Offset of the first record.", "topic", "partition")
	kafkaInSync = families.New(metrics.Gauge, "kafka_topic_partition_in_sync_replica",
		"Replicas that are in sync.", "topic", "partition")
	kafkaLeader = families.New(metrics.Gauge, "kafka_topic_partition_leader",
		"Node id of the leader; -1 if there is none.", "topic", "partition")
	kafkaLeaderPreferred = families.New(metrics.Gauge, "kafka_topic_partition_leader_is_preferred",
		"1 if the leader is the first of the replicas.", "topic", "partition")
	kafkaReplicas = families.New(metrics.Gauge, "kafka_topic_partition_replicas",
		"Replicas.", "topic", "partition")
	kafkaUnderReplicated = families.New(metrics.Gauge, "kafka_topic_partition_under_replicated_partition",
		"1 if fewer replicas are in sync than there are.", "topic", "partition")

	partitionSize = families.New(metrics.Gauge, "millrace_partition_size_bytes",
		"Bytes of the partition's segments on this node's disk.", "topic", "partition")
	partitionStable = families.New(metrics.Gauge, "millrace_partition_last_stable_offset",
		"Offset up to which transactions are decided: readers of committed data see nothing above it. "+
			"If it stands still below kafka_topic_partition_current_offset, a transaction is stuck.", "topic", "partition")
	partitionsLed = families.New(metrics.Gauge, "millrace_partitions_led",
		"Partitions that this node leads.")
	partitionsOffline = families.New(metrics.Gauge, "millrace_partitions_offline",
		"Partitions that have no leader, or that this node should lead and cannot open.")
)

// place is where a partition is in the log's offsets.
type place struct{ oldest, high, stable int64 }

type partitionKey struct {
	topic string
	index int32
}

// collectPartitions returns the places of the partitions that this node leads.
func collectPartitions(e metrics.Emitter, n *Node, im *meta.Image) map[partitionKey]place {
	led := n.replicas.Partitions()
	open := make(map[partitionKey]*replica.Partition, len(led))
	for _, p := range led {
		open[partitionKey{p.Topic(), p.Index()}] = p
	}
	places := make(map[partitionKey]place, len(led))
	offline := 0
	for t := range im.Topics() {
		e.Value(kafkaTopicPartitions, float64(len(t.Partitions)), metrics.Label("topic", t.Name))
		for _, p := range t.Partitions {
			key := partitionKey{t.Name, p.Index}
			labels := metrics.Label("topic", t.Name, "partition", strconv.Itoa(int(p.Index)))
			collectReplicas(e, p, labels)
			at := open[key]
			switch {
			case at != nil && at.TopicID() == t.ID:
				places[key] = collectOffsets(e, at, labels)
			case p.Leader < 0 || p.Leader == n.opts.NodeID:
				offline++
			}
		}
	}
	brokers := 0
	for range im.Brokers() {
		brokers++
	}
	e.Value(kafkaBrokers, float64(brokers), nil)
	e.Value(partitionsLed, float64(len(places)), nil)
	e.Value(partitionsOffline, float64(offline), nil)
	return places
}

func collectReplicas(e metrics.Emitter, p *meta.Partition, labels metrics.Labels) {
	e.Value(kafkaLeader, float64(p.Leader), labels)
	e.Value(kafkaReplicas, float64(len(p.Replicas)), labels)
	e.Value(kafkaInSync, float64(len(p.ISR)), labels)
	e.Bool(kafkaLeaderPreferred, len(p.Replicas) > 0 && p.Leader == p.Replicas[0].NodeID, labels)
	e.Bool(kafkaUnderReplicated, len(p.ISR) < len(p.Replicas), labels)
}

// collectOffsets reads the stable offset before the high watermark, so that it is not
// seen above it.
func collectOffsets(e metrics.Emitter, p *replica.Partition, labels metrics.Labels) place {
	at := place{oldest: p.LogStart(), stable: p.LastStable()}
	at.high = p.HighWatermark()
	e.Value(kafkaCurrentOffset, float64(at.high), labels)
	e.Value(kafkaOldestOffset, float64(at.oldest), labels)
	e.Value(partitionStable, float64(at.stable), labels)
	e.Value(partitionSize, float64(p.Size()), labels)
	return at
}
