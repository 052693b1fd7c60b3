package soak

import (
	"cmp"
	"maps"
	"slices"
)

// keys: whoever reads a compacted log from somewhere to its end finds of each key the
// last value that there is from there on; and if that is a deletion he is told it, or
// never saw what was deleted.
func (c *checker) keys(l *logFacts) {
	versions, doubtful := c.versions(l)
	for _, e := range l.scans {
		for _, covered := range e.Scan.Covered {
			shows := map[string][]seen{}
			for _, s := range e.Scan.Seen {
				if s.Offset >= covered.From && s.Offset < covered.To {
					if r := c.sent[s.ID]; r != nil {
						shows[r.Key] = append(shows[r.Key], s)
					}
				}
			}
			for _, key := range slices.Sorted(maps.Keys(versions)) {
				c.lastOf(l, e, covered, versions[key], shows[key], doubtful[key])
			}
		}
	}
}

// versions are the records of each key that every reader must count, in order, and the
// highest offset of one that may count, or may not.
func (c *checker) versions(l *logFacts) (versions map[string][]version, doubtful map[string]int64) {
	at := maps.Clone(l.at)
	for offset, s := range l.byOffset {
		if r := c.sent[s.ID]; r != nil {
			at[offset] = r
		}
	}
	versions, doubtful = map[string][]version{}, map[string]int64{}
	for offset, r := range at {
		must, mustNot := c.shown(r)
		if must {
			versions[r.Key] = append(versions[r.Key], version{offset, r})
		} else if !mustNot {
			doubtful[r.Key] = max(doubtful[r.Key], offset)
		}
	}
	for _, of := range versions {
		slices.SortFunc(of, func(a, b version) int { return cmp.Compare(a.at, b.at) })
	}
	return versions, doubtful
}

type version struct {
	at int64
	r  *appended
}

func (c *checker) lastOf(l *logFacts, e *event, covered span, versions []version, shows []seen, doubtful int64) {
	i, _ := slices.BinarySearchFunc(versions, covered.To, func(v version, to int64) int { return cmp.Compare(v.at, to) })
	if i == 0 || versions[i-1].at < covered.From || i < len(versions) || doubtful >= covered.To {
		return // there is none here, or a later one had it removed
	}
	last := versions[i-1]
	if slices.ContainsFunc(shows, func(s seen) bool { return s.Offset == last.at }) {
		return
	}
	if doubtful > last.at {
		return
	}
	if !last.r.Tombstone {
		c.faultf("keys", "%s, scan of %v from %v to %v over %v did not see %s at %d, the last of key %s", e.Who, l.p, e.Begin, e.End, covered, last.r.ID, last.at, last.r.Key)
		return
	}
	for _, s := range shows {
		r := c.sent[s.ID]
		if must, _ := c.shown(r); must && s.Offset < last.at && !r.Tombstone && e.End-e.Begin < l.topic.DeleteRetention {
			c.faultf("keys", "%s, scan of %v from %v to %v over %v saw %s at %d, but not that %s deleted key %s at %d", e.Who, l.p, e.Begin, e.End, covered, r.ID, s.Offset, last.r.ID, r.Key, last.at)
		}
	}
}
