package group

import (
	"slices"
)

// uniform gives every member equally many partitions, one more or less, and moves as
// few as that takes. Where members subscribe to different topics, equal is what their
// subscriptions allow: no partition can pass, directly or through others that give
// on, from a member to one that has at least two less.
func uniform(subscribers []subscriber, counts map[[16]byte]int32) []partitions {
	if len(subscribers) == 0 {
		return nil
	}
	if sameTopics(subscribers) {
		return uniformAlike(subscribers, counts)
	}
	return newBalance(subscribers, counts).run()
}

func sameTopics(subscribers []subscriber) bool {
	for _, s := range subscribers[1:] {
		if !slices.Equal(s.topics, subscribers[0].topics) {
			return false
		}
	}
	return true
}

// uniformAlike serves members that all read the same topics. Each keeps what it has up
// to its quota, and what is over goes round among those below theirs. The places for
// one more go to those first who have more already.
func uniformAlike(subscribers []subscriber, counts map[[16]byte]int32) []partitions {
	total := 0
	for _, topic := range subscribers[0].topics {
		total += int(counts[topic])
	}
	quota, more := total/len(subscribers), total%len(subscribers)
	kept := make([][]topicPartition, len(subscribers))
	quotas := make([]int, len(subscribers))
	for i := range subscribers {
		kept[i] = existing(&subscribers[i], counts)
		quotas[i] = quota
		if len(kept[i]) > quota && more > 0 {
			quotas[i]++
			more--
		}
	}
	for i := 0; i < len(quotas) && more > 0; i++ {
		if quotas[i] == quota {
			quotas[i]++
			more--
		}
	}
	out := emptyTargets(len(subscribers))
	taken := map[topicPartition]bool{}
	for i, tps := range kept {
		for _, tp := range tps {
			if len(out[i]) < quotas[i] && !taken[tp] {
				out[i][tp], taken[tp] = 0, true
			}
		}
	}
	next := 0
	for _, tp := range everyPartition(subscribers[0].topics, counts) {
		if taken[tp] {
			continue
		}
		for len(out[next]) >= quotas[next] {
			next = (next + 1) % len(out)
		}
		out[next][tp] = 0
		next = (next + 1) % len(out)
	}
	return out
}

// everyPartition are the partitions of topics, in order.
func everyPartition(topics [][16]byte, counts map[[16]byte]int32) []topicPartition {
	var all []topicPartition
	for _, topic := range topics {
		for i := range counts[topic] {
			all = append(all, topicPartition{topic, i})
		}
	}
	return all
}
