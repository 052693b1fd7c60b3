package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// DeleteGroups, versions 0-2 (KIP-229). OffsetDelete, version 0 (KIP-496).

func (c *Core) deleteGroups(r coord.Request, req *kmsg.DeleteGroupsRequest) {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups = []kmsg.DeleteGroupsResponseGroup{}
	for _, id := range req.Groups {
		d := kmsg.NewDeleteGroupsResponseGroup()
		d.Group, d.ErrorCode = id, code(c.deleteGroup(id))
		resp.Groups = append(resp.Groups, d)
	}
	c.append()
	c.out.AddAfter(c.token, core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) deleteGroup(id string) error {
	g := c.groups[id]
	switch {
	case g == nil:
		return kerr.GroupIDNotFound
	case !g.empty():
		return kerr.NonEmptyGroup
	}
	for _, k := range c.keys(g, func(offsetKey) bool { return true }) {
		c.forget(k)
	}
	c.forgetGroup(g)
	return nil
}

// forgetGroup drops a group without members, offsets excepted, and notes the
// tombstones.
func (c *Core) forgetGroup(g *group) {
	if g.consumers != nil {
		c.dropConsumers(g)
	}
	if g.written {
		c.note(metadataKey(g.id), nil)
	}
	delete(c.groups, g.id)
}

func (c *Core) deleteOffsets(r coord.Request, req *kmsg.OffsetDeleteRequest) {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	resp.Topics = []kmsg.OffsetDeleteResponseTopic{}
	g := c.groups[req.Group]
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
	case g == nil:
		resp.ErrorCode = kerr.GroupIDNotFound.Code
	case !g.empty() && g.consumers == nil && g.protocolType != consumerProtocol:
		resp.ErrorCode = kerr.NonEmptyGroup.Code
	}
	if resp.ErrorCode != 0 {
		c.reply(g, r, resp)
		return
	}
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.OffsetDeleteResponseTopicPartition{}
		subscribed := g.subscribed(t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			if subscribed {
				rp.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else {
				c.forget(offsetKey{g.id, t.Topic, p.Partition})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	c.append(g)
	c.tidy(g)
	c.reply(g, r, resp)
}

// topicsDeleted drops what is committed for topics that are gone, so that a topic of
// the same name starts without a past.
func (c *Core) topicsDeleted(in TopicsDeleted) {
	var changed []*group
	for _, id := range c.sortedIDs() {
		g := c.groups[id]
		before := len(c.batch)
		for _, k := range c.keys(g, func(k offsetKey) bool { return slices.Contains(in.Names, k.topic) }) {
			c.forget(k)
		}
		if len(c.batch) > before {
			changed = append(changed, g)
		}
	}
	c.append(changed...)
	for _, g := range changed {
		c.tidy(g)
	}
	c.out.AddAfter(c.token, core.Reply{ID: in.ID})
}
