package soak

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// verdict is what a checker has found in a history, and what it has looked at.
type verdict struct {
	Faults []string
	more   map[string]int // faults of a kind that are not in Faults
	counts map[string]int
}

// faultsOfAKind bounds what is told of one kind of fault: the first ones say it.
const faultsOfAKind = 5

// check looks in a history for what cannot be:
//
//	lost         a record was acknowledged and is not where it must be
//	invented     a record was read that nobody sent, or not there, or not so
//	renamed      an offset named two records, or one record changed
//	doubled      a record of an idempotent producer is there twice
//	order        a producer's records are not in the order in which he sent them
//	aborted      read_committed showed a record of a transaction that was aborted
//	half         of a transaction read_committed showed only a part
//	unsteady     a reader did not see what another had seen
//	tail         a consumer went back
//	keys         the last value of a key is not what a compacted topic shows
//	backwards    a high watermark, stable offset, log start or group's offset went back
//	start        a log begins later than anybody asked for
//	skipped      a group's offset is behind a record that none of its members got
//	outputs      of an input whose offset was committed there is not exactly each output
//	topic        a topic that was deleted is there, or one that was made is not
//	alarm        a client says that data was lost
func check(h *history) *verdict {
	c := &checker{h: h, v: &verdict{more: map[string]int{}, counts: map[string]int{}},
		sent: map[string]*appended{}, ends: map[string]outcome{}, logs: map[partition]*logFacts{}, groups: map[string]*groupFacts{}}
	c.gather()
	for _, p := range slices.SortedFunc(maps.Keys(c.logs), comparePartitions) {
		l := c.logs[p]
		c.names(l)
		c.losses(l)
		c.order(l)
		c.marks(l)
		if l.topic.Compacted {
			c.keys(l)
		}
	}
	c.wholeness()
	c.groupOffsets()
	c.outputs()
	return c.v
}

type checker struct {
	h      *history
	v      *verdict
	sent   map[string]*appended
	ends   map[string]outcome
	logs   map[partition]*logFacts
	groups map[string]*groupFacts
}

// logFacts is what the history says of one partition.
type logFacts struct {
	p       partition
	topic   topic
	sent    []*appended
	acks    []*event // of the records of sent that were acknowledged
	scans   []*event
	polls   []*event
	deletes []*event

	byOffset map[int64]seen      // of all readers
	at       map[int64]*appended // acknowledged
	start    int64               // the highest log start that anybody saw
}

func comparePartitions(a, b partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

func (p partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Index) }

func (c *checker) faultf(kind, format string, args ...any) {
	c.v.counts["fault "+kind]++
	if c.v.counts["fault "+kind] <= faultsOfAKind {
		c.v.Faults = append(c.v.Faults, kind+": "+fmt.Sprintf(format, args...))
	}
}

func (c *checker) log(p partition) *logFacts {
	l := c.logs[p]
	if l == nil {
		l = &logFacts{p: p, topic: c.h.Topics[p.Topic], byOffset: map[int64]seen{}, at: map[int64]*appended{}}
		c.logs[p] = l
	}
	return l
}

// gather sorts the events by what they are about.
func (c *checker) gather() {
	for i := range c.h.Events {
		e := &c.h.Events[i]
		switch {
		case e.Append != nil:
			c.v.counts["records sent"]++
			c.sent[e.Append.ID] = e.Append
			l := c.log(e.Append.In)
			l.sent = append(l.sent, e.Append)
			if e.Append.Offset >= 0 {
				l.acks = append(l.acks, e)
				c.acknowledged(l, e.Append)
			}
		case e.Txn != nil:
			c.v.counts["transactions "+string(e.Txn.Outcome)]++
			c.ends[e.Txn.ID] = e.Txn.Outcome
		case e.Scan != nil:
			c.v.counts["scans"]++
			l := c.log(e.Scan.In)
			l.scans = append(l.scans, e)
			for _, m := range e.Scan.Marks {
				l.start = max(l.start, m.Start)
			}
		case e.Poll != nil:
			c.v.counts["polls"]++
			l := c.log(e.Poll.In)
			l.polls = append(l.polls, e)
		case e.Delete != nil:
			c.v.counts["deletions of records"]++
			l := c.log(e.Delete.In)
			l.deletes = append(l.deletes, e)
			l.start = max(l.start, e.Delete.Start)
		case e.Commit != nil:
			c.v.counts["commits of groups"]++
			g := c.group(e.Commit.Group)
			g.commits[e.Commit.In] = append(g.commits[e.Commit.In], e)
		case e.Committed != nil:
			g := c.group(e.Committed.Group)
			g.found[e.Committed.In] = append(g.found[e.Committed.In], e)
		case e.Lookup != nil:
			c.v.counts["lookups of topics"]++
			if e.Lookup.Should != e.Lookup.Found {
				c.faultf("topic", "%s found=%v at %v, and should be %v", e.Lookup.Topic, e.Lookup.Found, e.End, e.Lookup.Should)
			}
		case e.Alarm != "":
			c.faultf("alarm", "%s at %v: %s", e.Who, e.End, e.Alarm)
		case e.Killed:
			c.v.counts["kills"]++
		}
	}
}

// acknowledged notes where a record is.
func (c *checker) acknowledged(l *logFacts, r *appended) {
	c.v.counts["records acknowledged"]++
	if other := l.at[r.Offset]; other != nil {
		c.faultf("renamed", "%v at %d was acknowledged for %s and for %s", l.p, r.Offset, other.ID, r.ID)
	}
	l.at[r.Offset] = r
}
