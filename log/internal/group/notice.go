package group

import "github.com/millrace/millrace/log/internal/core"

// What a core has to tell the operator, as the State of a core.Install: a core has no
// logger. Each is told once what it is about is committed.
type (
	// OffsetsExpired: committed offsets of a group were older than their retention.
	OffsetsExpired struct {
		Group string
		// Offsets is how many.
		Offsets int
		// Deleted: nothing was left of the group.
		Deleted bool
	}
	// MemberExpired: a member of a consumer group was removed because it was late.
	MemberExpired struct{ Group, Member, Why string }
	// GroupMoved: a group with members changed its protocol.
	GroupMoved struct {
		Group string
		// To is "classic" or "consumer".
		To      string
		Members int
	}
)

// tell queues a notice until the present step's changes are appended.
func (c *Core) tell(notice any) { c.notices = append(c.notices, notice) }

// flushNotices gives out the notices of the step.
func (c *Core) flushNotices() {
	for _, n := range c.notices {
		c.out.AddAfter(c.token, core.Install{State: n})
	}
	c.notices = c.notices[:0]
}

// install carries a notice to the log.
func (c *Coordinator) install(_ int32, i core.Install) {
	switch n := i.State.(type) {
	case OffsetsExpired:
		c.logger.Info("committed offsets expired", "group", n.Group, "offsets", n.Offsets, "group_deleted", n.Deleted)
	case MemberExpired:
		c.logger.Info("member removed from its group", "group", n.Group, "member", n.Member, "reason", n.Why)
	case GroupMoved:
		c.logger.Info("group changed its protocol", "group", n.Group, "protocol", n.To, "members", n.Members)
	}
}
