package soak

// shown says whether a read_committed reader must see a record, and whether he may not.
func (c *checker) shown(r *appended) (must, mustNot bool) {
	if r.Txn == "" {
		return true, false
	}
	end := c.ends[r.Txn]
	return end == isCommitted, end == isAborted
}

// wholeness: of a transaction whose end nobody was told all is shown or nothing.
func (c *checker) wholeness() {
	type part struct{ here, gone int }
	parts := map[string]*part{}
	for _, l := range c.logs {
		final := l.final(true)
		if final == nil || l.topic.Compacted || len(final.Covered) == 0 {
			continue
		}
		there := map[string]bool{}
		for _, s := range final.Seen {
			there[s.ID] = true
		}
		for _, r := range l.sent {
			if r.Txn == "" || r.Offset < final.Covered[0].From {
				continue
			}
			p := parts[r.Txn]
			if p == nil {
				p = &part{}
				parts[r.Txn] = p
			}
			if there[r.ID] {
				p.here++
			} else {
				p.gone++
			}
		}
	}
	for id, p := range parts {
		if p.here > 0 && p.gone > 0 {
			c.faultf("half", "%s (%s): %d records are there and %d are not", id, c.ends[id], p.here, p.gone)
		}
		if p.here > 0 && c.ends[id] == "" {
			c.faultf("aborted", "%s was never ended, and %d of its records are there", id, p.here)
		}
	}
}

// final is the last look at a log.
func (l *logFacts) final(readCommitted bool) *scanned {
	for _, e := range l.scans {
		if e.Scan.Final && e.Scan.Committed == readCommitted {
			return e.Scan
		}
	}
	return nil
}
