package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// assigning is a group that an assignor works for.
type assigning struct {
	subscribers []subscriber
	counts      map[[16]byte]int32
}

// testTopicID is topic i.
func testTopicID(i int) (id [16]byte) {
	id[0] = byte(i + 1)
	return id
}

func newAssigning(topics ...int32) *assigning {
	a := &assigning{counts: map[[16]byte]int32{}}
	for i, n := range topics {
		a.counts[testTopicID(i)] = n
	}
	return a
}

func (a *assigning) add(id string, topics ...int) {
	s := subscriber{id: id}
	for _, i := range topics {
		s.topics = append(s.topics, testTopicID(i))
	}
	a.subscribers = append(a.subscribers, s)
	slices.SortFunc(a.subscribers, func(x, y subscriber) int { return slices.Compare([]byte(x.id), []byte(y.id)) })
}

// run assigns, checks that everything goes to somebody who reads it, once, and keeps
// the result. It returns how many partitions changed hands: from one member that is
// still there to another.
func (a *assigning) run(t *testing.T, assign assignor) (moved int) {
	t.Helper()
	out := assign(a.subscribers, a.counts)
	owner, readers := map[topicPartition]string{}, map[[16]byte]bool{}
	for i := range a.subscribers {
		s := &a.subscribers[i]
		for _, topic := range s.topics {
			readers[topic] = true
		}
		for tp := range out[i] {
			if !s.reads(tp.topic) || tp.index >= a.counts[tp.topic] {
				t.Fatalf("%s gets %v, which it does not read or nobody has", s.id, tp)
			}
			if other, twice := owner[tp]; twice {
				t.Fatalf("%v goes to %s and to %s", tp, other, s.id)
			}
			owner[tp] = s.id
		}
	}
	for topic := range readers {
		for p := range a.counts[topic] {
			if owner[topicPartition{topic, p}] == "" {
				t.Fatalf("%v/%d goes to nobody", topic[0], p)
			}
		}
	}
	for i := range a.subscribers {
		s := &a.subscribers[i]
		for tp := range s.owned {
			if now, ok := owner[tp]; ok && now != s.id && s.reads(tp.topic) {
				moved++
			}
		}
		s.owned = out[i]
	}
	return moved
}

func (a *assigning) loads() []int {
	var loads []int
	for _, s := range a.subscribers {
		loads = append(loads, len(s.owned))
	}
	return loads
}

func (a *assigning) indexes(member, topic int) []int32 {
	var all []int32
	for tp := range a.subscribers[member].owned {
		if tp.topic == testTopicID(topic) {
			all = append(all, tp.index)
		}
	}
	slices.Sort(all)
	return all
}

func TestUniformKeepsWhatItCan(t *testing.T) {
	a := newAssigning(6, 3)
	a.add("a", 0, 1)
	a.add("b", 0, 1)
	a.run(t, uniform)
	if got := a.loads(); slices.Max(got) != 5 || slices.Min(got) != 4 {
		t.Fatalf("loads %v", got)
	}
	a.add("c", 0, 1)
	if moved := a.run(t, uniform); moved != 3 {
		t.Errorf("a third member takes %d, want 3", moved)
	}
	a.subscribers = a.subscribers[1:]
	if moved := a.run(t, uniform); moved != 0 {
		t.Errorf("when one left %d moved between the others", moved)
	}
	a.counts[testTopicID(0)] = 7
	if moved := a.run(t, uniform); moved != 0 {
		t.Errorf("for a new partition %d moved", moved)
	}
}

// The member with least shares no topic with the one that has most; a third shares
// one with each. A move at a time from most to least would leave them uneven.
func TestUniformMovesThroughOthers(t *testing.T) {
	a := newAssigning(4, 2)
	a.add("a", 0)
	a.add("b", 0, 1)
	a.add("c", 1)
	a.subscribers[0].owned = partitions{{testTopicID(0), 0}: 0, {testTopicID(0), 1}: 0, {testTopicID(0), 2}: 0, {testTopicID(0), 3}: 0}
	a.subscribers[1].owned = partitions{{testTopicID(1), 0}: 0, {testTopicID(1), 1}: 0}
	a.run(t, uniform)
	if got := a.loads(); slices.Max(got)-slices.Min(got) > 0 {
		t.Errorf("loads %v", got)
	}
}

func TestRangeGivesTheSameNumbersOfEachTopic(t *testing.T) {
	a := newAssigning(5, 5, 2)
	for _, id := range []string{"a", "b"} {
		a.add(id, 0, 1, 2)
	}
	instance := "z"
	a.subscribers[1].instance = &instance // static members come first
	a.run(t, ranges)
	if got := a.indexes(1, 0); !slices.Equal(got, []int32{0, 1, 2}) {
		t.Errorf("the static member has %v", got)
	}
	for member := range 2 {
		if x, y := a.indexes(member, 0), a.indexes(member, 1); !slices.Equal(x, y) {
			t.Errorf("member %d has %v of one topic and %v of another", member, x, y)
		}
	}
}

// TestRandomAssignments changes groups at random. The result is whole (which run
// checks), as even as can be, and moves no more than it must.
func TestRandomAssignments(t *testing.T) {
	first, last := uint64(1), uint64(150)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("group.seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			alike := seed%2 == 0
			a := newAssigning()
			for i := range 1 + rng.IntN(4) {
				a.counts[testTopicID(i)] = int32(rng.IntN(12))
			}
			for step := range 12 {
				a.change(rng, alike, step)
				if len(a.subscribers) == 0 {
					continue
				}
				least := a.leastMoves(alike)
				moved := a.run(t, uniform)
				if alike && moved > least {
					t.Fatalf("step %d: %d partitions moved where %d do", step, moved, least)
				}
				a.checkEven(t)
			}
		})
	}
}

func (a *assigning) change(rng *rand.Rand, alike bool, step int) {
	switch k := rng.IntN(4); {
	case k == 0 && len(a.subscribers) > 1:
		i := rng.IntN(len(a.subscribers))
		a.subscribers = slices.Delete(a.subscribers, i, i+1)
	case k == 1:
		a.counts[testTopicID(rng.IntN(len(a.counts)))] += int32(rng.IntN(3))
	default:
		var topics []int
		for i := range len(a.counts) {
			if alike || rng.IntN(2) == 0 {
				topics = append(topics, i)
			}
		}
		a.add(fmt.Sprintf("m%02d-%d", rng.IntN(100), step), topics...)
	}
}

// leastMoves is how many partitions must change hands in a group whose members all
// read the same: what is above the quotas.
func (a *assigning) leastMoves(alike bool) int {
	if !alike {
		return 0
	}
	total := 0
	for _, n := range a.counts {
		total += int(n)
	}
	quota, more := total/len(a.subscribers), total%len(a.subscribers)
	least := 0
	for _, s := range a.subscribers {
		over := len(s.owned) - quota
		if over > 0 && more > 0 {
			over--
			more--
		}
		least += max(0, over)
	}
	return least
}

// checkEven fails if a partition could pass, directly or through others, from a
// member to one that has at least two less.
func (a *assigning) checkEven(t *testing.T) {
	t.Helper()
	for from := range a.subscribers {
		reached := map[int]bool{from: true}
		for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
			for tp := range a.subscribers[queue[0]].owned {
				for to := range a.subscribers {
					if !reached[to] && a.subscribers[to].reads(tp.topic) {
						reached[to] = true
						queue = append(queue, to)
					}
				}
			}
		}
		for to := range reached {
			if len(a.subscribers[from].owned) >= len(a.subscribers[to].owned)+2 {
				t.Fatalf("%s has %d, and %s, which it could give to, %d", a.subscribers[from].id, len(a.subscribers[from].owned),
					a.subscribers[to].id, len(a.subscribers[to].owned))
			}
		}
	}
}

// BenchmarkUniform is a rebalance of a large group: one member more among 1000 with
// 10 partitions each.
func BenchmarkUniform(b *testing.B) {
	for _, alike := range []bool{true, false} {
		b.Run(fmt.Sprintf("alike=%t", alike), func(b *testing.B) {
			a := newAssigning(5000, 5000)
			for i := range 1000 {
				topics := []int{0, 1}
				if !alike && i%10 == 0 {
					topics = topics[:1]
				}
				a.add(fmt.Sprintf("m%04d", i), topics...)
			}
			for i, p := range uniform(a.subscribers, a.counts) {
				a.subscribers[i].owned = p
			}
			a.add("new", 0, 1)
			for b.Loop() {
				uniform(a.subscribers, a.counts)
			}
		})
	}
}
