package group

import (
	"encoding/binary"
	"hash/fnv"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/coord"
)

// maxRegexBytes bounds a subscribed pattern. A compiled one takes about a hundred
// times its text, and nobody writes patterns of this size by hand.
const maxRegexBytes = 4 << 10

// maxRegexWork bounds what one search for the topics of a pattern may cost: the size of
// its compiled form times the letters of all topic names, which is the most that
// matching in RE2's way takes. This many are about half a second, for which the groups
// of the same shard wait; ordinary patterns stay a hundredfold below.
const maxRegexWork = 100_000_000

// regexRefresh is the time between two searches for new topics that match the
// patterns of a group, as in Kafka: a burst of new topics is one rebalance.
const regexRefresh = 10 * time.Second

// regex is a pattern that members of a group subscribe to, in RE2's syntax, and the
// topics that matched when it was last resolved.
type regex struct {
	topics     []string // sorted
	version    uint64   // of the metadata
	resolvedMs int64    // time of day

	compiled *regexp.Regexp // nil until needed
	size     int            // of what is compiled
}

// compileRegex compiles a pattern that must match whole names, and says how large the
// compiled form is.
func compileRegex(pattern string) (re *regexp.Regexp, size int, err error) {
	if len(pattern) > maxRegexBytes {
		return nil, 0, refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex has %d bytes; %d are the most", len(pattern), maxRegexBytes)
	}
	// Alone first: a pattern that only the group around it makes whole is none.
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err == nil {
		re, err = regexp.Compile(`^(?:` + pattern + `)$`)
	}
	if err != nil {
		return nil, 0, refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %v", pattern, err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, 0, refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %v", pattern, err)
	}
	return re, len(prog.Inst), nil
}

// checkRegex refuses a pattern that is none, or that takes too long to look for.
func checkRegex(pattern string, topics coord.Catalog) error {
	_, size, err := compileRegex(pattern)
	if err == nil && size*letters(topics) > maxRegexWork {
		err = refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is too large to be matched with the names of all topics: take a simpler one", pattern)
	}
	return err
}

// knowsRegex reports whether members subscribe to the pattern already.
func (g *group) knowsRegex(pattern string) bool {
	return g != nil && g.consumers != nil && g.consumers.regexes[pattern] != nil
}

// letters is the length of all topic names together.
func letters(topics coord.Catalog) int {
	n := 0
	for name := range topics.Names() {
		n += len(name)
	}
	return n
}

// resolve finds the topics that match now and that whoever asked may see. It reports
// whether they are others than before.
func (r *regex) resolve(pattern string, topics coord.Catalog, meta coord.Meta) (changed bool, err error) {
	if r.compiled == nil {
		if r.compiled, r.size, err = compileRegex(pattern); err != nil {
			return false, err
		}
	}
	if r.size*letters(topics) > maxRegexWork {
		return false, nil // there are more topics than when it was admitted: it keeps those that it has
	}
	var found []string
	for name := range topics.Names() {
		if r.compiled.MatchString(name) && (meta.Visible == nil || meta.Visible(name)) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	changed = !slices.Equal(found, r.topics)
	r.topics, r.version = found, topics.Version()
	return changed, nil
}

// updateRegexes resolves the patterns of a group that are new, and all of them when
// topics may have come or gone. It reports whether the group reads other topics now.
func (c *Core) updateRegexes(g *group, topics coord.Catalog, meta coord.Meta) (changed bool) {
	cg := g.consumers
	wanted := map[string]bool{}
	for _, m := range cg.members {
		if m.regex != "" {
			wanted[m.regex] = true
		}
	}
	for _, pattern := range sortedKeys(cg.regexes) {
		if !wanted[pattern] {
			delete(cg.regexes, pattern)
			c.note(consumerKey(regexKey, g.id, pattern), nil)
			changed = true
		}
	}
	refresh := !cg.everyMatch || c.now-cg.matchedAt >= regexRefresh
	for _, pattern := range sortedKeys(wanted) {
		r := cg.regexes[pattern]
		isNew := r == nil
		if !isNew && (!refresh || r.version == topics.Version()) {
			continue
		}
		if isNew {
			r = &regex{}
		}
		different, err := r.resolve(pattern, topics, meta)
		if err != nil {
			continue // of a log that somebody else wrote: it matches nothing
		}
		if isNew || different {
			r.resolvedMs = c.wall()
			cg.regexes[pattern] = r
			c.note(consumerKey(regexKey, g.id, pattern), regexValue(r))
			changed = true
		}
	}
	if refresh && len(wanted) > 0 {
		cg.matchedAt, cg.everyMatch = c.now, true
	}
	cg.recheck = cg.recheck || changed
	return changed
}

// subscribedIDs are the topics that a member subscribes to and that exist, in order.
func (cg *consumerGroup) subscribedIDs(m *consumerMember, topics coord.Topics) [][16]byte {
	var ids [][16]byte
	add := func(names []string) {
		for _, name := range names {
			if id, _, ok := topics.Topic(name); ok {
				ids = append(ids, id)
			}
		}
	}
	add(m.topics)
	if r := cg.regexes[m.regex]; m.regex != "" && r != nil {
		add(r.topics)
	}
	slices.SortFunc(ids, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// metadataHash is a number that changes when a subscribed topic comes, goes, is made
// anew or gets partitions; 0 if there is none. Only this program compares it.
func (cg *consumerGroup) metadataHash(topics coord.Topics) int64 {
	h := fnv.New64a()
	any := false
	for _, name := range cg.topics() {
		id, n, ok := topics.Topic(name)
		if !ok {
			continue
		}
		any = true
		_, _ = h.Write(id[:])
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
	if !any {
		return 0
	}
	return int64(h.Sum64())
}

// raiseIfTopicsChanged raises the group's epoch if it must be, or if the subscribed
// topics are others than when it was raised last.
func (c *Core) raiseIfTopicsChanged(g *group, must bool, topics coord.Catalog) {
	cg := g.consumers
	if !must && !cg.recheck && cg.seen == topics.Version() {
		return
	}
	cg.seen, cg.recheck = topics.Version(), false
	hash := cg.metadataHash(topics)
	if must || hash != cg.hash {
		cg.hash = hash
		c.raiseEpoch(g)
	}
}

// raiseEpoch begins a new epoch of the group: the target must be computed anew.
func (c *Core) raiseEpoch(g *group) {
	cg := g.consumers
	cg.epoch++
	c.note(consumerKey(groupEpochKey, g.id, ""), epochValue(cg.epoch, cg.hash))
	if cg.legacy {
		cg.legacy = false
		c.note(consumerKey(partitionMetadataKey, g.id, ""), nil)
	}
}
