package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// rebalance begins a rebalance, or goes on with one if the last missing member has
// just come.
func (c *Core) rebalance(g *group) {
	if g.state == PreparingRebalance {
		c.tryCompleteJoin(g)
		return
	}
	if g.state == CompletingRebalance {
		c.dropAssignment(g)
	}
	c.timers.Clear(timerKey{kind: syncTimer, group: g.id})
	first := g.state == Empty
	c.moveTo(g, PreparingRebalance)
	if first && c.cfg.InitialDelay > 0 {
		g.initialLimit = c.now + min(c.cfg.InitialDelayMax, g.rebalanceTimeout())
		c.extendInitial(g)
		return
	}
	c.timers.Set(timerKey{kind: rebalanceTimer, group: g.id}, c.now+g.rebalanceTimeout())
	c.tryCompleteJoin(g)
}

// extendInitial starts the quiet time before a first rebalance again.
func (c *Core) extendInitial(g *group) {
	at := min(c.now+c.cfg.InitialDelay, g.initialLimit)
	c.timers.Set(timerKey{kind: initialTimer, group: g.id}, at)
}

// dropAssignment gives up a generation whose members have not synced.
func (c *Core) dropAssignment(g *group) {
	for _, m := range g.members {
		m.assignment = nil
		if m.syncing != nil {
			c.replySync(g, m, *m.syncing, kerr.RebalanceInProgress)
			m.syncing = nil
		}
	}
}

func (c *Core) tryCompleteJoin(g *group) {
	if g.state == PreparingRebalance && g.initialLimit == 0 && g.allJoined() {
		c.completeJoin(g)
	}
}

// completeJoin ends the wait for members: those that came form the next generation,
// dynamic members that did not are out. Static members stay as long as their
// sessions do.
func (c *Core) completeJoin(g *group) {
	if g.state != PreparingRebalance {
		return
	}
	c.timers.Clear(timerKey{kind: initialTimer, group: g.id})
	c.timers.Clear(timerKey{kind: rebalanceTimer, group: g.id})
	for _, m := range slices.Clone(g.members) {
		if m.joining == nil && m.instance == nil {
			c.removeMember(g, m, kerr.UnknownMemberID)
		}
	}
	if len(g.members) == 0 {
		c.becomeEmpty(g)
		return
	}
	if !g.electLeader() {
		// Only static members that are away. Wait for one of them.
		c.timers.Set(timerKey{kind: rebalanceTimer, group: g.id}, c.now+g.rebalanceTimeout())
		return
	}
	g.generation++
	g.protocol = g.selectProtocol()
	c.moveTo(g, CompletingRebalance)
	for _, m := range g.members {
		m.isNew, m.needsSync, m.assignment = false, true, nil
		if m.joining == nil {
			continue
		}
		r := *m.joining
		m.joining = nil
		c.replyJoined(g, m, r)
	}
	c.timers.Set(timerKey{kind: syncTimer, group: g.id}, c.now+g.rebalanceTimeout())
}

// electLeader makes sure that the leader is a member that waits for the generation,
// and reports whether there is one.
func (g *group) electLeader() bool {
	if m := g.member(g.leader); m != nil && m.joining != nil {
		return true
	}
	for _, m := range g.members {
		if m.joining != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// becomeEmpty ends the last generation of a group that everybody has left.
func (c *Core) becomeEmpty(g *group) {
	g.generation++
	g.protocol, g.leader, g.initialLimit = "", "", 0
	c.timers.Clear(timerKey{kind: syncTimer, group: g.id})
	c.moveTo(g, Empty)
	if g.written || len(g.offsets) > 0 {
		c.writeMetadata(g)
		c.append(g)
	}
	c.tidy(g)
}

// touch is a sign of life. A new member cannot give another before its first
// rebalance is over, so it gets longer.
func (c *Core) touch(g *group, m *member) {
	d := m.session
	if m.isNew {
		d = max(d, c.cfg.NewMemberTimeout)
	}
	c.timers.Set(timerKey{sessionTimer, g.id, m.id}, c.now+d)
}

func (c *Core) sessionExpired(g *group, id string) {
	m := g.member(id)
	if m == nil || m.syncing != nil || m.joining != nil && !m.isNew {
		return // what it waits for ends with a new deadline
	}
	c.removeMember(g, m, kerr.UnknownMemberID)
	c.afterRemoval(g)
}

// pendingExpired forgets a member id that was given out and never used.
func (c *Core) pendingExpired(g *group, id string) {
	c.clearPending(g, id)
	c.tryCompleteJoin(g)
	c.tidy(g)
}

func (c *Core) clearPending(g *group, id string) {
	delete(g.pending, id)
	c.timers.Clear(timerKey{pendingTimer, g.id, id})
}

// syncExpired removes the members that took part in a rebalance and never asked for
// what it gave them. Without that, a leader that hangs in its assignor would stop the
// group for as long as it sends heartbeats.
func (c *Core) syncExpired(g *group) {
	removed := false
	for _, m := range slices.Clone(g.members) {
		if m.needsSync {
			c.removeMember(g, m, kerr.UnknownMemberID)
			removed = true
		}
	}
	if removed {
		c.afterRemoval(g)
	}
}

// removeMember takes a member out and tells whoever waits in its name why.
func (c *Core) removeMember(g *group, m *member, why error) {
	c.failWaiting(g, m, why)
	c.timers.Clear(timerKey{sessionTimer, g.id, m.id})
	g.remove(m)
}

func (c *Core) failWaiting(g *group, m *member, why error) {
	if m.joining != nil {
		c.replyJoinError(g, *m.joining, why)
		m.joining = nil
	}
	if m.syncing != nil {
		c.replySync(g, m, *m.syncing, why)
		m.syncing = nil
	}
}

// afterRemoval lets the rest of the group share what the member had.
func (c *Core) afterRemoval(g *group) {
	switch g.state {
	case Stable, CompletingRebalance:
		c.rebalance(g)
	case PreparingRebalance:
		c.tryCompleteJoin(g)
	}
	c.tidy(g)
}
