package group

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/log/internal/coord"
)

// defaultAssignor is the one of a group whose members have no wish.
const defaultAssignor = "uniform"

// assignors by the names that clients know.
var assignors = map[string]assignor{"uniform": uniform, "range": ranges}

// assignorNames are their names, the default first.
var assignorNames = []string{"uniform", "range"}

// Assignors are the names of those that there are, the default first, as Kafka lists
// them in a config.
func Assignors() string { return strings.Join(assignorNames, ",") }

// assignor shares out the partitions of topics: out[i] is what subscribers[i] gets.
// Every partition of a topic that somebody subscribes to goes to exactly one of its
// subscribers. The result depends on nothing but the arguments.
type assignor func(subscribers []subscriber, counts map[[16]byte]int32) (out []partitions)

// subscriber is a member as assignors see it. They come in the order of their ids.
type subscriber struct {
	id       string
	instance *string
	topics   [][16]byte // those that exist, in order
	owned    partitions // what it was given before
}

func (s *subscriber) reads(topic [16]byte) bool {
	_, ok := slices.BinarySearchFunc(s.topics, topic, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	return ok
}

// updateTarget computes who shall have what in the group's present epoch, and notes
// what differs from before.
func (c *Core) updateTarget(g *group, topics coord.Topics) {
	cg := g.consumers
	if cg.epoch <= cg.targetEpoch {
		return
	}
	counts := map[[16]byte]int32{}
	subscribers := make([]subscriber, 0, len(cg.members))
	for _, id := range cg.sortedIDs() {
		m := cg.members[id]
		s := subscriber{id: id, instance: m.instance, topics: cg.subscribedIDs(m, topics), owned: cg.target[id]}
		subscribers = append(subscribers, s)
	}
	for _, name := range cg.topics() {
		if id, n, ok := topics.Topic(name); ok {
			counts[id] = n
		}
	}
	for i, p := range assignors[cg.assignorName()](subscribers, counts) {
		id := subscribers[i].id
		if old, ok := cg.target[id]; !ok || !old.sameKeys(p) {
			cg.target[id] = p
			c.note(consumerKey(memberTargetKey, g.id, id), targetValue(p))
		}
	}
	cg.targetEpoch = cg.epoch
	c.note(consumerKey(targetEpochKey, g.id, ""), targetEpochValue(cg.targetEpoch))
}

// existing are the partitions of a set that exist and that the subscriber reads.
func existing(s *subscriber, counts map[[16]byte]int32) []topicPartition {
	var tps []topicPartition
	for tp := range s.owned {
		if tp.index < counts[tp.topic] && s.reads(tp.topic) {
			tps = append(tps, tp)
		}
	}
	slices.SortFunc(tps, compareTopicPartitions)
	return tps
}

// ranges gives each member, topic by topic, a run of consecutive partitions: the
// first members one more if they do not divide. Members stand in the same order for
// every topic, static ones first, so that those who read the same topics get the same
// partition numbers of all that have equally many, which is what joins need.
func ranges(subscribers []subscriber, counts map[[16]byte]int32) []partitions {
	out := emptyTargets(len(subscribers))
	order := make([]int, len(subscribers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &subscribers[a], &subscribers[b]
		if (x.instance == nil) != (y.instance == nil) {
			return cmp.Compare(rank(x.instance), rank(y.instance))
		}
		return cmp.Or(cmp.Compare(text(x.instance), text(y.instance)), cmp.Compare(x.id, y.id))
	})
	readers := map[[16]byte][]int{}
	for _, i := range order {
		for _, topic := range subscribers[i].topics {
			readers[topic] = append(readers[topic], i)
		}
	}
	for topic, members := range readers {
		n, m := counts[topic], int32(len(members))
		next := int32(0)
		for k, i := range members {
			size := n / m
			if int32(k) < n%m {
				size++
			}
			for range size {
				out[i][topicPartition{topic, next}] = 0
				next++
			}
		}
	}
	return out
}

// rank puts static members before the others.
func rank(instance *string) int {
	if instance != nil {
		return 0
	}
	return 1
}

func emptyTargets(n int) []partitions {
	out := make([]partitions, n)
	for i := range out {
		out[i] = partitions{}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
