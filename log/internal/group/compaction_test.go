package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// TestRandomOffsetsCompacted: what compaction leaves of a log of offsets, in and out
// of transactions, replays to the same offsets.
func TestRandomOffsetsCompacted(t *testing.T) {
	first, last := uint64(1), uint64(40)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		r := newRandom(seed)
		for range 300 {
			r.step()
		}
		records := r.bench.Records()
		whole := dumpLog(records)
		for range 5 {
			if compacted := dumpLog(compact(r.rng, records)); compacted != whole {
				t.Fatalf("seed %d: the whole log gives\n%s\na compacted one\n%s\nagain with -group.seed %d", seed, whole, compacted, seed)
			}
		}
	}
}

// compact is a cleaner that has been at some of the log: below a point that no open
// transaction reaches, only the last record of each key is left, and none of aborted
// transactions; some tombstones and markers are old enough to go.
func compact(rng *rand.Rand, records []coord.Record) []coord.Record {
	aborted := map[int]bool{} // records of aborted transactions
	markerOf := map[int]int{} // record -> its marker
	open := map[int64][]int{} // producer -> records of its open transaction
	for i, r := range records {
		switch {
		case r.Control:
			for _, j := range open[r.ProducerID] {
				aborted[j], markerOf[j] = !r.Commit, i
			}
			delete(open, r.ProducerID)
		case r.Transactional:
			open[r.ProducerID] = append(open[r.ProducerID], i)
		}
	}
	stable := len(records)
	for _, of := range open {
		stable = min(stable, of[0])
	}
	cut := rng.IntN(stable + 1)
	old := rng.IntN(cut + 1) // what is below has been clean for long
	last := map[string]int{}
	for i, r := range records[:cut] {
		if !r.Control && !aborted[i] {
			last[string(r.Key)] = i
		}
	}
	kept := map[int]bool{}
	needed := map[int]bool{} // markers whose transaction has records left
	for i, r := range records[:cut] {
		if r.Control || aborted[i] || last[string(r.Key)] != i || r.Value == nil && i < old {
			continue
		}
		kept[i] = true
		if m, ok := markerOf[i]; ok {
			needed[m] = true
		}
	}
	for i, r := range records[:cut] {
		if r.Control && (needed[i] || i >= old) {
			kept[i] = true
		}
	}
	var left []coord.Record
	for i, r := range records {
		if i >= cut || kept[i] {
			left = append(left, r)
		}
	}
	return left
}

// dumpLog is what a core makes of a log, as text.
func dumpLog(records []coord.Record) string {
	c := NewCore(Config{}, start, rand.New(rand.NewPCG(1, 1)))
	for _, r := range records {
		if err := c.Replay(r); err != nil {
			return err.Error()
		}
	}
	var out core.Duties
	c.Step(0, core.Tick{}, &out)
	return c.dump()
}

// dump is everything that a core remembers, but for the epochs of idle producers.
func (c *Core) dump() string {
	var s strings.Builder
	for _, id := range c.sortedIDs() {
		g := c.groups[id]
		fmt.Fprintf(&s, "%s %s %s %s gen=%d %s/%s leader=%s at %d\n", id, g.protocolName(), g.stateName(), g.protocolType, g.generation, g.protocolType, g.protocol, g.leader, g.stateMs)
		for _, m := range g.members {
			fmt.Fprintf(&s, "  member %s %s %s %s %v %v %q %q\n", m.id, text(m.instance), m.clientID, m.host, m.session, m.rebalanceTimeout, m.metadata(g.protocol), m.assignment)
		}
		if cg := g.consumers; cg != nil {
			cg.dump(&s)
		}
		for _, topic := range g.topics() {
			for _, p := range g.partitions(topic) {
				fmt.Fprintf(&s, "  %s/%d %+v\n", topic, p, g.offsets[topic][p])
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.pending), compareKeys) {
		fmt.Fprintf(&s, "pending %v\n", k)
	}
	return s.String()
}

func (cg *consumerGroup) dump(s *strings.Builder) {
	fmt.Fprintf(s, "  epoch %d hash %d target %d legacy %t reads %v\n", cg.epoch, cg.hash, cg.targetEpoch, cg.legacy, cg.topics())
	for _, id := range cg.sortedIDs() {
		m := cg.members[id]
		fmt.Fprintf(s, "  consumer %s %s %s %v %s %v classic=%t epoch=%d/%d state=%d %v revoking %v target %v\n", id, text(m.instance), m.clientID, m.topics, m.regex,
			m.rebalanceTimeout, m.classic != nil, m.epoch, m.previous, m.state, m.assigned.sorted(), m.revoking.sorted(), cg.target[id].sorted())
	}
	for _, pattern := range sortedKeys(cg.regexes) {
		fmt.Fprintf(s, "  regex %s %v\n", pattern, cg.regexes[pattern].topics)
	}
	for _, tp := range slices.SortedFunc(maps.Keys(cg.owner), compareTopicPartitions) {
		fmt.Fprintf(s, "  owner %v %s\n", tp, cg.owner[tp])
	}
}
