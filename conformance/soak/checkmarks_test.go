package soak

import (
	"cmp"
	"slices"
	"time"
)

// mark is an offset that somebody was told: that it is at least so much was known
// from End on, and it was looked up after Begin. Bound alone says something and asks
// nothing.
type mark struct {
	begin, end time.Duration
	at         int64
	who        string
	bound      bool
}

// rising reports marks that are lower than another that ended before they began.
func rising(marks []mark, each func(low, before mark)) {
	byEnd := slices.Clone(marks)
	slices.SortFunc(byEnd, func(a, b mark) int { return cmp.Compare(a.end, b.end) })
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Compare(a.begin, b.begin) })
	highest := mark{at: -1}
	i := 0
	for _, m := range marks {
		for ; i < len(byEnd) && byEnd[i].end < m.begin; i++ {
			if byEnd[i].at > highest.at {
				highest = byEnd[i]
			}
		}
		if !m.bound && m.at < highest.at {
			each(m, highest)
		}
	}
}

// marks: what the node says of a log's offsets never goes back; what is acknowledged
// is below the high watermark; a log begins where somebody asked for.
func (c *checker) marks(l *logFacts) {
	var starts, highs, stables []mark
	for _, e := range l.scans {
		for _, m := range e.Scan.Marks {
			if m.Start >= 0 {
				starts = append(starts, mark{m.Begin, m.End, m.Start, e.Who, false})
			}
			if m.High >= 0 {
				highs = append(highs, mark{m.Begin, m.End, m.High, e.Who, false})
			}
			if m.LSO >= 0 {
				stables = append(stables, mark{m.Begin, m.End, m.LSO, e.Who, false})
			}
		}
	}
	c.unexplained(l, starts)
	for _, e := range l.deletes {
		if e.Delete.Start >= 0 {
			starts = append(starts, mark{e.Begin, e.End, e.Delete.Start, e.Who, false})
		}
	}
	for _, e := range l.acks {
		highs = append(highs, mark{e.Begin, e.End, e.Append.Offset + 1, e.Who, true})
	}
	for what, marks := range map[string][]mark{"log start": starts, "high watermark": highs, "last stable offset": stables} {
		rising(marks, func(low, before mark) {
			c.faultf("backwards", "the %s of %v was %d for %s at %v, and had been %d for %s at %v", what, l.p, low.at, low.who, low.begin, before.at, before.who, before.end)
		})
	}
	slices.SortFunc(starts, func(a, b mark) int { return cmp.Compare(a.end, b.end) })
	c.below(l, starts)
}

// unexplained are starts of a log that only requests raise, and that none asked for.
func (c *checker) unexplained(l *logFacts, starts []mark) {
	if l.topic.Retained {
		return
	}
	for _, m := range starts {
		asked := int64(0)
		for _, e := range l.deletes {
			if e.Begin <= m.end {
				asked = max(asked, e.Delete.Before)
			}
		}
		if m.at > asked {
			c.faultf("start", "%v begins at %d for %s at %v, and nobody had asked for more than %d", l.p, m.at, m.who, m.end, asked)
		}
	}
}

// below: a reader sees nothing below a start that was known before he began.
func (c *checker) below(l *logFacts, starts []mark) {
	for _, e := range l.scans {
		known := int64(0)
		for _, m := range starts {
			if m.end < e.Begin {
				known = max(known, m.at)
			}
		}
		if len(e.Scan.Seen) > 0 && e.Scan.Seen[0].Offset < known {
			c.faultf("backwards", "%s, scan of %v from %v on saw %d, and the log began at %d before", e.Who, l.p, e.Begin, e.Scan.Seen[0].Offset, known)
		}
	}
}
