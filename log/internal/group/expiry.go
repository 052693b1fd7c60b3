package group

import (
	"slices"
	"time"
)

// sweepGroups is how many groups one step looks through for expired offsets, and
// sweepPause the time between two such steps, so that members need not wait.
const (
	sweepGroups = 64
	sweepPause  = 10 * time.Millisecond
)

// expireOffsets looks for committed offsets that nobody needs any more, some groups
// at a time, and for groups of which nothing is left.
func (c *Core) expireOffsets() {
	if len(c.sweep) == 0 {
		c.sweep = c.sortedIDs()
	}
	n := min(sweepGroups, len(c.sweep))
	for _, id := range c.sweep[:n] {
		if g := c.groups[id]; g != nil {
			c.expireGroup(g)
		}
	}
	next := c.cfg.OffsetsCheck
	if c.sweep = c.sweep[n:]; len(c.sweep) > 0 {
		next = sweepPause
	}
	c.timers.Set(timerKey{kind: expiryTimer}, c.now+next)
}

// expireGroup drops the expired offsets of a group, and the group if it has no
// members and nothing else is left of it.
func (c *Core) expireGroup(g *group) {
	expired := c.keys(g, func(k offsetKey) bool { return c.expired(g, k) })
	for _, k := range expired {
		c.forget(k)
	}
	gone := g.empty() && len(g.offsets) == 0 && c.pendingGroups[g.id] == 0
	if gone {
		c.forgetGroup(g)
	}
	if len(expired) > 0 {
		c.tell(OffsetsExpired{Group: g.id, Offsets: len(expired), Deleted: gone})
	}
	c.append(g)
}

// expired reports whether a committed offset may go, by Kafka's rules:
//
//   - Not while an open transaction may replace it.
//   - Not while a member of the group subscribes to its topic.
//   - A commit of an old client that asked for a retention of its own: at its end.
//   - In a classic group of consumers without members: the retention after the last
//     member left, however old the commit is.
//   - Else the retention after the commit: of a client that manages itself, of a
//     topic that the members do not read any more, of a consumer group.
//   - A classic group whose members are about to agree, or are no consumers: never.
func (c *Core) expired(g *group, k offsetKey) bool {
	o, ok := g.offsets[k.topic][k.partition]
	if !ok || c.pending[k] > 0 {
		return false
	}
	base := o.commitMs
	switch {
	case g.consumers != nil:
		if g.consumers.reads(k.topic) {
			return false
		}
	case g.state == Empty && g.protocolType != "":
		if g.stateMs > 0 {
			base = g.stateMs
		}
	case g.state == Empty && len(g.pending) == 0:
	case g.state != Stable || g.protocolType != consumerProtocol || g.mayRead(k.topic):
		return false
	}
	if o.expireMs >= 0 {
		return c.wall() >= o.expireMs
	}
	return c.wall()-base >= c.cfg.OffsetsRetention.Milliseconds()
}

// mayRead reports whether a member of a classic group of consumers subscribes to the
// topic, or says something that cannot be understood.
func (g *group) mayRead(topic string) bool {
	for _, m := range g.members {
		if sub, err := m.subscription(); err != nil {
			return true
		} else if slices.Contains(sub.Topics, topic) {
			return true
		}
	}
	return false
}
