package log

import (
	"context"
	"strconv"

	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/metrics"
)

// Groups: the names that begin with kafka_ are kafka_exporter's.
var (
	kafkaGroupMembers = families.New(metrics.Gauge, "kafka_consumergroup_members",
		"Members of the group.", "consumergroup")
	kafkaGroupOffset = families.New(metrics.Gauge, "kafka_consumergroup_current_offset",
		"Offset that the group has committed; -1 for a partition without one, of a topic of which it has others.", "consumergroup", "topic", "partition")
	kafkaGroupOffsetSum = families.New(metrics.Gauge, "kafka_consumergroup_current_offset_sum",
		"Offsets that the group has committed, of all partitions of the topic together.", "consumergroup", "topic")
	kafkaGroupLag = families.New(metrics.Gauge, "kafka_consumergroup_lag",
		"Offsets from the committed one to the end of the partition; -1 where none is committed.", "consumergroup", "topic", "partition")
	kafkaGroupLagSum = families.New(metrics.Gauge, "kafka_consumergroup_lag_sum",
		"Lag of the group in all partitions of the topic together.", "consumergroup", "topic")

	groupStableLag = families.New(metrics.Gauge, "millrace_consumergroup_stable_lag",
		"Lag without what is behind open transactions: what a reader of committed data could have read already.", "consumergroup", "topic", "partition")
	groupsByState = families.New(metrics.Gauge, "millrace_consumergroups",
		"Groups that this node coordinates, by state.", "state")
)

// collectGroups says how far groups are behind in the partitions of this node.
func collectGroups(ctx context.Context, e metrics.Emitter, n *Node, im *meta.Image, places map[partitionKey]place) {
	// Partitions that are loading are missing; their groups come with the next scrape.
	groups, _ := n.groups.Snapshot(ctx)
	states := map[string]int{}
	for i := range groups {
		g := &groups[i]
		states[g.State]++
		e.Value(kafkaGroupMembers, float64(g.Members), metrics.Label("consumergroup", g.ID))
		for offsets := g.Offsets; len(offsets) > 0; {
			topic := offsets[0].Topic
			end := 1
			for end < len(offsets) && offsets[end].Topic == topic {
				end++
			}
			if t := im.TopicByName(topic); t != nil {
				collectLag(e, g.ID, t, offsets[:end], places)
			}
			offsets = offsets[end:]
		}
	}
	for state, count := range states {
		e.Value(groupsByState, float64(count), metrics.Label("state", state))
	}
}

// collectLag goes through the partitions of a topic of which the group has committed
// some, as kafka_exporter does by default.
func collectLag(e metrics.Emitter, id string, t *meta.Topic, offsets []group.Offset, places map[partitionKey]place) {
	committed := make(map[int32]int64, len(offsets))
	for _, o := range offsets {
		committed[o.Partition] = o.Offset
	}
	var offsetSum, lagSum int64
	for _, p := range t.Partitions {
		at, led := places[partitionKey{t.Name, p.Index}]
		if !led {
			continue
		}
		labels := metrics.Label("consumergroup", id, "topic", t.Name, "partition", strconv.Itoa(int(p.Index)))
		offset, ok := committed[p.Index]
		if !ok {
			e.Value(kafkaGroupOffset, -1, labels)
			e.Value(kafkaGroupLag, -1, labels)
			continue
		}
		lag := max(at.high-offset, 0) // offsets may be committed beyond the end
		offsetSum, lagSum = offsetSum+offset, lagSum+lag
		e.Value(kafkaGroupOffset, float64(offset), labels)
		e.Value(kafkaGroupLag, float64(lag), labels)
		e.Value(groupStableLag, float64(max(at.stable-offset, 0)), labels)
	}
	labels := metrics.Label("consumergroup", id, "topic", t.Name)
	e.Value(kafkaGroupOffsetSum, float64(offsetSum), labels)
	e.Value(kafkaGroupLagSum, float64(lagSum), labels)
}
