package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Heartbeat, versions 0-4. 3: static members.

// heartbeat answers at once, before what the group has appended is committed: the
// answer shows nothing but whether to rejoin, and a log that stands still for a
// moment should not end sessions.
func (c *Core) heartbeat(r coord.Request, req *kmsg.HeartbeatRequest) {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	resp.ErrorCode = code(c.beat(req))
	c.out.Add(core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) beat(req *kmsg.HeartbeatRequest) error {
	if req.Group == "" {
		return kerr.InvalidGroupID
	}
	g := c.groups[req.Group]
	switch {
	case g != nil && g.consumers != nil:
		return c.beatConsumers(g, req)
	case g == nil || g.state == Empty:
		return kerr.UnknownMemberID
	}
	m, err := g.validate(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return err
	case req.Generation != g.generation:
		return kerr.IllegalGeneration
	}
	c.touch(g, m)
	if g.state == PreparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}
