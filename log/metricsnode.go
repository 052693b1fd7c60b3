package log

import (
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/metrics"
)

// The node itself: readiness, metadata, coordinators, disk.
var (
	nodeReady = families.New(metrics.Gauge, "millrace_ready",
		"1 if the node can serve every request, as /readyz says it.")
	metadataTerm = families.New(metrics.Gauge, "millrace_metadata_term",
		"Term of the metadata quorum: it rises with every election.")
	metadataCommitted = families.New(metrics.Gauge, "millrace_metadata_committed_index",
		"Index of the last committed entry of the metadata log.")
	metadataApplied = families.New(metrics.Gauge, "millrace_metadata_applied_index",
		"Index of the last entry that this node has applied.")
	metadataHasLeader = families.New(metrics.Gauge, "millrace_metadata_leader_known",
		"1 if this node knows who leads the metadata quorum.")
	metadataTopics = families.New(metrics.Gauge, "millrace_metadata_topics",
		"Topics in the cluster, the log's own included.")
	metadataPartitions = families.New(metrics.Gauge, "millrace_metadata_partitions",
		"Partitions of all topics.")
	coordinatorLoading = families.New(metrics.Gauge, "millrace_coordinator_partitions_loading",
		"Partitions whose coordinator (group or transaction) is still reading its log.", "coordinator")
	coordinatorLed = families.New(metrics.Gauge, "millrace_coordinator_partitions_led",
		"Partitions whose coordinator this node is.", "coordinator")
	diskFree = families.New(metrics.Gauge, "millrace_disk_free_bytes",
		"Free bytes of the data directory's volume.")
	diskSize = families.New(metrics.Gauge, "millrace_disk_size_bytes",
		"Size of the data directory's volume.")
	diskFailed = families.New(metrics.Gauge, "millrace_disk_failed",
		"1 after the first failed sync: nothing is acknowledged any more, the process must be started again.")
)

func collectNode(e metrics.Emitter, n *Node, im *meta.Image) {
	e.Bool(nodeReady, n.Ready() == nil, nil)
	q := n.meta.Quorum()
	e.Value(metadataTerm, float64(q.Term), nil)
	e.Value(metadataCommitted, float64(q.Committed), nil)
	e.Value(metadataApplied, float64(im.Index()), nil)
	e.Bool(metadataHasLeader, q.Leader != 0, nil)
	e.Value(metadataTopics, float64(im.TopicCount()), nil)
	e.Value(metadataPartitions, float64(im.PartitionCount()), nil)
	for _, c := range n.coordinators() {
		labels := metrics.Label("coordinator", c.name)
		loading, led := c.Loading()
		e.Value(coordinatorLoading, float64(loading), labels)
		e.Value(coordinatorLed, float64(led), labels)
	}
	e.Bool(diskFailed, n.disk.Err() != nil, nil)
	if space, err := n.replicas.Space(); err == nil {
		e.Value(diskFree, float64(space.Free), nil)
		if space.Total >= 0 {
			e.Value(diskSize, float64(space.Total), nil)
		}
	}
}
