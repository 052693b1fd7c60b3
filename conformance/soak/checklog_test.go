package soak

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// reading is one look of somebody at a log.
type reading struct {
	what      string
	committed bool
	seen      []seen
}

func (l *logFacts) readings(each func(reading)) {
	for _, e := range l.scans {
		each(reading{fmt.Sprintf("%s, scan of %v from %v to %v", e.Who, l.p, e.Begin, e.End), e.Scan.Committed, e.Scan.Seen})
	}
	for _, e := range l.polls {
		each(reading{fmt.Sprintf("%s, poll of %v at %v", e.Who, l.p, e.End), e.Poll.Committed, e.Poll.Seen})
	}
}

// names: every offset names one record, for ever, and it is one that was sent there.
func (c *checker) names(l *logFacts) {
	where := map[string]int64{}
	l.readings(func(r reading) {
		for _, s := range r.seen {
			c.v.counts["records read"]++
			was, known := l.byOffset[s.Offset]
			if known {
				if was != s {
					c.faultf("renamed", "%s: at %d is %s (%08x, %08x), where %s was (%08x, %08x)", r.what, s.Offset, s.ID, s.Sum, s.Stamp, was.ID, was.Sum, was.Stamp)
				}
			} else {
				l.byOffset[s.Offset] = s
				c.named(l, r, s, where)
			}
			if sent := c.sent[s.ID]; sent != nil && r.committed && sent.Txn != "" && c.ends[sent.Txn] == isAborted {
				c.faultf("aborted", "%s: %s at %d, of %s", r.what, s.ID, s.Offset, sent.Txn)
			}
		}
	})
}

// named looks at an offset that was read for the first time.
func (c *checker) named(l *logFacts, r reading, s seen, where map[string]int64) {
	sent := c.sent[s.ID]
	switch {
	case sent == nil:
		c.faultf("invented", "%s: nobody sent %q at %d", r.what, s.ID, s.Offset)
		return
	case sent.In != l.p:
		c.faultf("invented", "%s: %s at %d was sent to %v", r.what, s.ID, s.Offset, sent.In)
	case sent.Sum != s.Sum:
		c.faultf("invented", "%s: %s at %d has sum %08x, sent was %08x", r.what, s.ID, s.Offset, s.Sum, sent.Sum)
	}
	if first, twice := where[s.ID]; twice && sent.Exact {
		c.faultf("doubled", "%s: %s is at %d and at %d", r.what, s.ID, first, s.Offset)
	}
	where[s.ID] = s.Offset
	if ack := l.at[s.Offset]; ack != nil && ack.ID != s.ID {
		c.faultf("renamed", "%s: at %d is %s, and %s was acknowledged there", r.what, s.Offset, s.ID, ack.ID)
	}
	if sent.Exact && sent.Offset >= 0 && sent.Offset != s.Offset {
		c.faultf("doubled", "%s: %s is at %d, and was acknowledged at %d", r.what, s.ID, s.Offset, sent.Offset)
	}
}

// duties are the offsets, in order, that whoever looks there must see.
func (c *checker) duties(l *logFacts, readCommitted bool) []int64 {
	must := map[int64]bool{}
	for at, r := range l.at {
		if visible, _ := c.shown(r); visible || !readCommitted {
			must[at] = true
		}
	}
	l.readings(func(r reading) {
		if readCommitted && !r.committed {
			return
		}
		for _, s := range r.seen {
			must[s.Offset] = true
		}
	})
	return slices.Sorted(maps.Keys(must))
}

// missed are the duties in a span that were not fulfilled.
func missed(duties []int64, in span, saw []seen, each func(at int64)) {
	i := sort.Search(len(duties), func(i int) bool { return duties[i] >= in.From })
	j := sort.Search(len(saw), func(j int) bool { return saw[j].Offset >= in.From })
	for ; i < len(duties) && duties[i] < in.To; i++ {
		for j < len(saw) && saw[j].Offset < duties[i] {
			j++
		}
		if j == len(saw) || saw[j].Offset != duties[i] {
			each(duties[i])
		}
	}
}

// losses: who has looked at an offset has seen what is there; in the end everything
// is there that nobody deleted.
func (c *checker) losses(l *logFacts) {
	for _, isolated := range []bool{false, true} {
		duties := c.duties(l, isolated)
		last := map[string]int64{}
		for _, e := range l.scans {
			if e.Scan.Committed == isolated {
				c.scanned(l, e, duties)
			}
		}
		for _, e := range l.polls {
			if e.Poll.Committed == isolated && e.Poll.Group == "" {
				c.tailed(l, e, duties, last)
			}
		}
	}
}

func (c *checker) scanned(l *logFacts, e *event, duties []int64) {
	s := e.Scan
	if !l.topic.Compacted {
		for _, covered := range s.Covered {
			missed(duties, covered, s.Seen, func(at int64) {
				kind := "unsteady"
				if l.at[at] != nil {
					kind = "lost"
				}
				c.faultf(kind, "%s, scan of %v from %v to %v (read_committed=%v) did not see %d, which is %s", e.Who, l.p, e.Begin, e.End, s.Committed, at, c.nameAt(l, at))
			})
		}
	}
	if !s.Final || len(s.Covered) == 0 {
		return
	}
	from, to := s.Covered[0].From, s.Covered[len(s.Covered)-1].To
	for at, r := range l.at {
		if at >= to {
			c.faultf("lost", "%s: %s was acknowledged at %d, and the log ends at %d", l.p, r.ID, at, to)
		}
	}
	c.v.counts["records before a log's start"] += sort.Search(len(duties), func(i int) bool { return duties[i] >= from })
	if l.topic.Compacted {
		c.v.counts["records compacted away"] += len(duties) - len(s.Seen)
	}
}

func (c *checker) nameAt(l *logFacts, at int64) string {
	if r := l.at[at]; r != nil {
		return r.ID + " (acknowledged)"
	}
	return l.byOffset[at].ID + " (seen by another)"
}

// tailed: a consumer that reads on its own never goes back and leaves nothing out,
// but what was deleted before he came to it.
func (c *checker) tailed(l *logFacts, e *event, duties []int64, last map[string]int64) {
	next, began := last[e.Who]
	for _, s := range e.Poll.Seen {
		if began && s.Offset < next {
			c.faultf("tail", "%s of %v at %v: got %d after %d", e.Who, l.p, e.End, s.Offset, next-1)
		}
		if !l.topic.Compacted {
			missed(duties, span{max(next, l.start), s.Offset}, nil, func(at int64) {
				c.faultf("lost", "%s of %v at %v went from %d to %d and did not get %d, which is %s", e.Who, l.p, e.End, next-1, s.Offset, at, c.nameAt(l, at))
			})
		}
		next, began = s.Offset+1, true
	}
	last[e.Who] = next
}

// order: what a producer sent to a partition is there in the order in which he sent
// it. Of one that is not idempotent that holds for what was acknowledged: what he
// repeated may be there twice.
func (c *checker) order(l *logFacts) {
	offsets := map[string]int64{}
	for at, s := range l.byOffset {
		if r := c.sent[s.ID]; r != nil && r.Exact {
			offsets[r.ID] = at
		}
	}
	producers := map[string][]*appended{}
	for _, r := range l.sent {
		if r.Offset >= 0 {
			offsets[r.ID] = r.Offset
		}
		if _, there := offsets[r.ID]; there {
			producers[r.Producer] = append(producers[r.Producer], r)
		}
	}
	for who, records := range producers {
		slices.SortFunc(records, func(a, b *appended) int { return cmp.Compare(a.Seq, b.Seq) })
		for i := 1; i < len(records); i++ {
			if a, b := records[i-1], records[i]; offsets[a.ID] >= offsets[b.ID] {
				c.faultf("order", "%v: %s sent %s and then %s, and they are at %d and %d", l.p, who, a.ID, b.ID, offsets[a.ID], offsets[b.ID])
			}
		}
	}
}
