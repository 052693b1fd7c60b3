package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// groupFacts is what the history says of a group.
type groupFacts struct {
	commits, found map[partition][]*event
}

func (c *checker) group(name string) *groupFacts {
	g := c.groups[name]
	if g == nil {
		g = &groupFacts{commits: map[partition][]*event{}, found: map[partition][]*event{}}
		c.groups[name] = g
	}
	return g
}

// groupOffsets: a committed offset does not go back, was committed by somebody, and
// everything below it was given to a member.
func (c *checker) groupOffsets() {
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[name]
		for p, found := range g.found {
			var marks []mark
			tried := map[int64]bool{}
			for _, e := range g.commits[p] {
				tried[e.Commit.Offset] = true
				if e.Commit.OK {
					marks = append(marks, mark{e.Begin, e.End, e.Commit.Offset, e.Who, true})
				}
			}
			for _, e := range found {
				if len(tried) > 0 && e.Committed.Offset >= 0 && !tried[e.Committed.Offset] {
					c.faultf("invented", "group %s has %d of %v at %v, which nobody committed", name, e.Committed.Offset, p, e.End)
				}
				marks = append(marks, mark{e.Begin, e.End, e.Committed.Offset, e.Who, false})
			}
			rising(marks, func(low, before mark) {
				c.faultf("backwards", "group %s was at %d of %v for %s at %v, and had been at %d for %s at %v", name, low.at, p, low.who, low.begin, before.at, before.who, before.end)
			})
			c.skipped(name, p, found)
		}
	}
}

// skipped: what is below a group's offset was given to one of its members.
func (c *checker) skipped(name string, p partition, found []*event) {
	l := c.log(p)
	got := map[int64]bool{}
	for _, e := range l.polls {
		if e.Poll.Group == name {
			for _, s := range e.Poll.Seen {
				got[s.Offset] = true
			}
		}
	}
	upTo := int64(0)
	for _, e := range found {
		upTo = max(upTo, e.Committed.Offset)
	}
	for at, r := range l.at {
		if must, _ := c.shown(r); must && at >= l.start && at < upTo && !got[at] && !l.topic.Compacted {
			c.faultf("skipped", "group %s is at %d of %v, and no member got %s at %d", name, upTo, p, r.ID, at)
		}
	}
}

// source names an input record in the outputs for it.
func source(group string, p partition, at int64) string { return fmt.Sprintf("%s:%v@%d", group, p, at) }

// outputsOfEach is how many outputs a worker writes for each input.
const outputsOfEach = 2

// outputs: consume, transform, produce happens once. Of each input below the group's
// final offset each output is there, once; of the others none.
func (c *checker) outputs() {
	made := map[string][outputsOfEach]int{}
	for _, l := range c.logs {
		final := l.final(true)
		if final == nil {
			continue
		}
		for _, s := range final.Seen {
			r := c.sent[s.ID]
			if r == nil || r.Source == "" {
				continue
			}
			src, part, _ := strings.Cut(r.Source, "#")
			n := made[src]
			if len(part) == 1 && part[0] >= '0' && part[0] < '0'+outputsOfEach {
				n[part[0]-'0']++
			}
			made[src] = n
			c.v.counts["outputs"]++
		}
	}
	for name, g := range c.groups {
		for p, found := range g.found {
			c.outputsOf(name, p, found, made)
		}
	}
}

func (c *checker) outputsOf(group string, p partition, found []*event, made map[string][outputsOfEach]int) {
	if !strings.HasPrefix(group, transforms) {
		return
	}
	final := found[len(found)-1].Committed
	l := c.log(p)
	input := l.final(true)
	if !final.Final || input == nil {
		return
	}
	for _, s := range input.Seen {
		want := [outputsOfEach]int{}
		if s.Offset < final.Offset {
			for i := range want {
				want[i] = 1
			}
		}
		if got := made[source(group, p, s.Offset)]; got != want {
			c.faultf("outputs", "of %s at %d of %v, where group %s is at %d, there are outputs %v, not %v", s.ID, s.Offset, p, group, final.Offset, got, want)
		}
	}
}

// transforms begins the names of groups whose members write outputs.
const transforms = "transform"
