package group

import (
	"cmp"
	"slices"
)

// balance shares out partitions among members that read different topics.
//
// Giving each free partition to the reader that has least is not enough: what comes
// later may fit nobody else, and a member that leaves makes others uneven. Moving one
// partition at a time from who has most to who has least is not enough either, since
// the two may have no topic in common while a third shares one with each. So from the
// member with least, a search goes backwards over who could give something to whom,
// until it finds one that has at least two more; everybody on the way gives one on.
// Each such path moves no load but from its end to its start, so the loads get more
// even with every path and the work ends.
//
//  1. At any time every partition is with exactly one reader of its topic.
//  2. A path is as short as can be, so no more partitions move than its length.
//
// The search visits each topic and each member once, so a path costs as much as there
// are subscriptions and owners; work bounds all of them together. When it is used up,
// what there is is handed out: it is whole, only not as even as it could be.
type balance struct {
	subscribers []subscriber
	counts      map[[16]byte]int32
	out         []partitions
	readers     map[[16]byte][]int    // of a topic
	held        map[[16]byte]*holders // of a topic
	topics      [][16]byte            // in order
	withLoad    []int                 // how many members have so many partitions
	work        int
}

// holders are the members that have partitions of a topic.
type holders struct {
	members []int                    // rising
	of      map[int][]topicPartition // by member, in the order in which it got them
}

// balanceWork is about a fifth of a second.
const balanceWork = 10_000_000

func newBalance(subscribers []subscriber, counts map[[16]byte]int32) *balance {
	b := &balance{subscribers: subscribers, counts: counts, out: emptyTargets(len(subscribers)),
		readers: map[[16]byte][]int{}, held: map[[16]byte]*holders{}, withLoad: []int{len(subscribers)}, work: balanceWork}
	for i, s := range subscribers {
		for _, topic := range s.topics {
			if b.readers[topic] == nil {
				b.topics = append(b.topics, topic)
				b.held[topic] = &holders{of: map[int][]topicPartition{}}
			}
			b.readers[topic] = append(b.readers[topic], i)
		}
	}
	slices.SortFunc(b.topics, func(x, y [16]byte) int { return slices.Compare(x[:], y[:]) })
	return b
}

func (b *balance) run() []partitions {
	taken := map[topicPartition]bool{}
	for i := range b.subscribers {
		for _, tp := range existing(&b.subscribers[i], b.counts) {
			if !taken[tp] {
				taken[tp] = true
				b.give(i, tp)
			}
		}
	}
	// The topics that few read first: the others fit in more places.
	byReaders := slices.Clone(b.topics)
	slices.SortStableFunc(byReaders, func(x, y [16]byte) int {
		return cmp.Compare(len(b.readers[x]), len(b.readers[y]))
	})
	for _, topic := range byReaders {
		for i := range b.counts[topic] {
			if tp := (topicPartition{topic, i}); !taken[tp] {
				b.give(b.least(b.readers[topic]), tp)
			}
		}
	}
	b.even()
	return b.out
}

func (b *balance) give(to int, tp topicPartition) {
	h := b.held[tp.topic]
	if len(h.of[to]) == 0 {
		at, _ := slices.BinarySearch(h.members, to)
		h.members = slices.Insert(h.members, at, to)
	}
	h.of[to] = append(h.of[to], tp)
	b.withLoad[len(b.out[to])]--
	b.out[to][tp] = 0
	for len(b.withLoad) <= len(b.out[to]) {
		b.withLoad = append(b.withLoad, 0)
	}
	b.withLoad[len(b.out[to])]++
}

// take takes some partition of a topic from a member: the last that it got, which is
// one that it did not have before, if there is one.
func (b *balance) take(from int, topic [16]byte) topicPartition {
	h := b.held[topic]
	tps := h.of[from]
	tp := tps[len(tps)-1]
	if h.of[from] = tps[:len(tps)-1]; len(tps) == 1 {
		at, _ := slices.BinarySearch(h.members, from)
		h.members = slices.Delete(h.members, at, at+1)
	}
	b.withLoad[len(b.out[from])]--
	delete(b.out[from], tp)
	b.withLoad[len(b.out[from])]++
	return tp
}

// most is what the member with most has.
func (b *balance) most() int {
	for b.withLoad[len(b.withLoad)-1] == 0 {
		b.withLoad = b.withLoad[:len(b.withLoad)-1]
	}
	return len(b.withLoad) - 1
}

// least is the member with the fewest partitions, of equals the first.
func (b *balance) least(members []int) int {
	b.work -= len(members)
	return slices.MinFunc(members, func(x, y int) int { return cmp.Compare(len(b.out[x]), len(b.out[y])) })
}

// even moves partitions along paths, to the members with least first, until no path
// is left.
func (b *balance) even() {
	order := make([]int, len(b.subscribers))
	for i := range order {
		order[i] = i
	}
	for moved := true; moved && b.work > 0; {
		moved = false
		slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(len(b.out[x]), len(b.out[y])) })
		for _, to := range order {
			for b.work > 0 && b.fill(to) {
				moved = true
			}
		}
	}
}

// fill brings one partition to a member over the shortest path, if there is one.
func (b *balance) fill(to int) bool {
	if b.most() < len(b.out[to])+2 {
		return false
	}
	type step struct {
		topic [16]byte
		to    int
	}
	reached := map[int]step{to: {}}
	searched := map[[16]byte]bool{}
	for queue := []int{to}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, topic := range b.subscribers[at].topics {
			if searched[topic] {
				continue
			}
			searched[topic] = true
			b.work -= len(b.held[topic].members) + 1
			for _, owner := range b.held[topic].members {
				if _, ok := reached[owner]; ok {
					continue
				}
				reached[owner] = step{topic, at}
				queue = append(queue, owner)
				if len(b.out[owner]) < len(b.out[to])+2 {
					continue
				}
				for from := owner; from != to; {
					s := reached[from]
					b.give(s.to, b.take(from, s.topic))
					from = s.to
				}
				return true
			}
		}
	}
	return false
}
