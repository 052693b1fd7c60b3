package group

import (
	"maps"
	"slices"
	"time"
)

// consumerGroup is what a group of the consumer protocol (KIP-848) has besides its
// committed offsets.
//
// In the classic protocol the members stop, agree, and start again: nobody reads
// while somebody is late. The obvious way out, to compute an assignment here and hand
// each member its part at once, has two readers of a partition whenever a member
// hears of its loss later than another of its gain. So there are three things that
// follow each other at their own pace: what the group is (its epoch counts the
// changes of members, subscriptions and topics), who shall have what (the target, of
// one epoch), and who has what now. Each member walks from the third to the second
// with its own heartbeats: first it gives up what it shall not keep and says so, then
// it enters the new epoch, then it gets what others have given up.
//
//  1. A partition has one owner at most: owner says who, from the moment it is handed
//     out until the owner has said that it gave it up, left, or lost its session.
//  2. A member's epoch is the target's that it has reached. It rises only when the
//     member has nothing left to revoke.
//  3. Everything but the fields under "soft" is in the log, each under its own key,
//     and Replay of any order in which each key's last record wins gives it back:
//     a compacted log has other records than the one that was written.
type consumerGroup struct {
	epoch       int32 // of the group, from 1
	hash        int64 // of the subscribed topics, when epoch was raised
	targetEpoch int32 // of target

	members map[string]*consumerMember
	target  map[string]partitions // by member id
	regexes map[string]*regex
	// legacy: the log has a partition metadata record (key version 4), which Kafka 4.0
	// wrote. It goes with the next change of the epoch.
	legacy bool

	// Derived.
	static map[string]*consumerMember // by group.instance.id
	owner  map[topicPartition]string  // member id
	names  map[string]int             // subscribed by name -> by how many members

	// Soft.
	seen       uint64 // version of the metadata that hash was compared with last; 0 none
	recheck    bool   // the subscribed topics have changed since
	matchedAt  time.Duration
	everyMatch bool // matchedAt is set
}

// topicPartition is a partition of a topic, which may have been deleted since.
type topicPartition struct {
	topic [16]byte
	index int32
}

func compareTopicPartitions(a, b topicPartition) int {
	if c := slices.Compare(a.topic[:], b.topic[:]); c != 0 {
		return c
	}
	return int(a.index) - int(b.index)
}

// partitions are partitions, each with the epoch in which its owner got it, or
// without meaning in a target.
type partitions map[topicPartition]int32

func (p partitions) sorted() []topicPartition {
	return slices.SortedFunc(maps.Keys(p), compareTopicPartitions)
}

func (p partitions) has(tp topicPartition) bool { _, ok := p[tp]; return ok }

// sameKeys reports whether two sets have the same partitions.
func (p partitions) sameKeys(q partitions) bool {
	if len(p) != len(q) {
		return false
	}
	for tp := range p {
		if !q.has(tp) {
			return false
		}
	}
	return true
}

func newConsumerGroup() *consumerGroup {
	return &consumerGroup{members: map[string]*consumerMember{}, target: map[string]partitions{}, regexes: map[string]*regex{},
		static: map[string]*consumerMember{}, owner: map[topicPartition]string{}, names: map[string]int{}}
}

// bare reports whether replay has left nothing of the group but emptied records.
func (cg *consumerGroup) bare() bool {
	return cg.epoch == 0 && len(cg.members) == 0 && len(cg.target) == 0 && len(cg.regexes) == 0 && cg.targetEpoch == 0 && !cg.legacy
}

// sortedIDs are the ids of the members, in order.
func (cg *consumerGroup) sortedIDs() []string { return slices.Sorted(maps.Keys(cg.members)) }

// state is the state by the name that Kafka's tools show.
func (cg *consumerGroup) state() string {
	switch {
	case len(cg.members) == 0:
		return "Empty"
	case cg.epoch > cg.targetEpoch:
		return "Assigning"
	}
	for _, m := range cg.members {
		if !m.reached(cg.targetEpoch) {
			return "Reconciling"
		}
	}
	return "Stable"
}

// classicMembers is how many members speak the classic protocol.
func (cg *consumerGroup) classicMembers() int {
	n := 0
	for _, m := range cg.members {
		if m.classic != nil {
			n++
		}
	}
	return n
}

// assignorName is the assignor that most members with a wish want; of equals the
// default goes first, then the earlier name.
func (cg *consumerGroup) assignorName() string {
	votes := map[string]int{}
	for _, m := range cg.members {
		if m.assignor != nil {
			votes[*m.assignor]++
		}
	}
	best := defaultAssignor
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// free reports whether nobody but the member has the partition.
func (cg *consumerGroup) free(tp topicPartition, m *consumerMember) bool {
	id, owned := cg.owner[tp]
	return !owned || id == m.id
}

// disown takes all partitions from a member.
func (cg *consumerGroup) disown(m *consumerMember) {
	for _, p := range []partitions{m.assigned, m.revoking} {
		for tp := range p {
			if cg.owner[tp] == m.id {
				delete(cg.owner, tp)
			}
		}
	}
}

// own gives the member what it has. It drops from it what another member has, which
// only a log that somebody else wrote can say.
func (cg *consumerGroup) own(m *consumerMember) {
	for _, p := range []partitions{m.assigned, m.revoking} {
		for _, tp := range p.sorted() {
			if cg.free(tp, m) {
				cg.owner[tp] = m.id
			} else {
				delete(p, tp)
			}
		}
	}
}

// derive computes what is not in the log, after replay.
func (cg *consumerGroup) derive() {
	for _, id := range cg.sortedIDs() {
		m := cg.members[id]
		if m.instance != nil {
			cg.static[*m.instance] = m
		}
		cg.own(m)
		cg.subscribe(m.topics, 1)
	}
	cg.recheck = true
}

// subscribe counts a member's topics, or with -1 takes them back.
func (cg *consumerGroup) subscribe(topics []string, by int) {
	for _, t := range topics {
		if cg.names[t] += by; cg.names[t] <= 0 {
			delete(cg.names, t)
		}
	}
	cg.recheck = true
}

// reads reports whether a member subscribes to the topic.
func (cg *consumerGroup) reads(topic string) bool {
	if cg.names[topic] > 0 {
		return true
	}
	for _, r := range cg.regexes {
		if _, ok := slices.BinarySearch(r.topics, topic); ok {
			return true
		}
	}
	return false
}

// topics are the names that the group subscribes to, in order.
func (cg *consumerGroup) topics() []string {
	all := slices.Collect(maps.Keys(cg.names))
	for _, r := range cg.regexes {
		all = append(all, r.topics...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
