package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// OffsetFetch, versions 1-10. 2: all topics if none is named. 5: leader epochs. 7:
// require stable (KIP-447). 8: several groups. 9: member and epoch (KIP-848). 10: topic ids instead of names.
//
// A group that nobody has heard of has committed nothing: offset -1, no error, empty
// metadata. Clients take GROUP_ID_NOT_FOUND or null metadata here for a broken broker.

func (c *Core) fetch(r coord.Request, req *kmsg.OffsetFetchRequest) {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	if req.Version >= 8 {
		c.fetchGroups(r, req, resp)
		return
	}
	resp.Topics = []kmsg.OffsetFetchResponseTopic{}
	g := c.groups[req.Group]
	wanted := req.Topics
	if wanted == nil && g != nil {
		for _, topic := range g.topics() {
			t := kmsg.NewOffsetFetchRequestTopic()
			t.Topic, t.Partitions = topic, g.partitions(topic)
			wanted = append(wanted, t)
		}
	}
	for _, t := range wanted {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.OffsetFetchResponseTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			a := c.answer(g, req.Group, t.Topic, p, req.RequireStable, r.Topics)
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p, a.offset, a.leaderEpoch, &a.metadata, a.code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	c.reply(g, r, resp)
}

func (c *Core) fetchGroups(r coord.Request, req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse) {
	resp.Groups = []kmsg.OffsetFetchResponseGroup{}
	var after core.Token
	for _, rg := range req.Groups {
		g := c.groups[rg.Group]
		if g != nil {
			after = max(after, g.token)
		}
		out := kmsg.NewOffsetFetchResponseGroup()
		out.Group, out.Topics = rg.Group, []kmsg.OffsetFetchResponseGroupTopic{}
		if err := g.mayFetch(rg.MemberID, rg.MemberEpoch); err != nil {
			out.ErrorCode = code(err)
			resp.Groups = append(resp.Groups, out)
			continue
		}
		wanted := rg.Topics
		if wanted == nil && g != nil {
			wanted = g.everything(req.Version >= 10, r.Topics)
		}
		for _, t := range wanted {
			out.Topics = append(out.Topics, c.fetchTopic(g, rg.Group, t, req, r.Topics))
		}
		resp.Groups = append(resp.Groups, out)
	}
	c.out.AddAfter(after, core.Reply{ID: r.ID, Response: resp})
}

func (c *Core) fetchTopic(g *group, id string, t kmsg.OffsetFetchRequestGroupTopic, req *kmsg.OffsetFetchRequest, topics coord.Topics) kmsg.OffsetFetchResponseGroupTopic {
	rt := kmsg.NewOffsetFetchResponseGroupTopic()
	rt.Topic, rt.TopicID, rt.Partitions = t.Topic, t.TopicID, []kmsg.OffsetFetchResponseGroupTopicPartition{}
	name, unknown := t.Topic, int16(0)
	if req.Version >= 10 {
		known := resolve(topics, true, "", t.TopicID)
		name, unknown = known.name, code(known.err)
	}
	for _, p := range t.Partitions {
		rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		a := nothing
		if unknown == 0 {
			a = c.answer(g, id, name, p, req.RequireStable, topics)
		} else {
			a.code = unknown
		}
		rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p, a.offset, a.leaderEpoch, &a.metadata, a.code
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}

// everything asks for all that the group has committed. By id, topics that have none
// any more are left out.
func (g *group) everything(byID bool, topics coord.Topics) []kmsg.OffsetFetchRequestGroupTopic {
	var all []kmsg.OffsetFetchRequestGroupTopic
	for _, topic := range g.topics() {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = topic, g.partitions(topic)
		if byID {
			known := resolve(topics, false, topic, t.TopicID)
			if known.err != nil {
				continue
			}
			t.TopicID = known.id
		}
		all = append(all, t)
	}
	return all
}

// fetched is what is said of one partition.
type fetched struct {
	offset      int64
	leaderEpoch int32
	metadata    string
	code        int16
}

var nothing = fetched{offset: -1, leaderEpoch: -1}

func (c *Core) answer(g *group, id, topic string, partition int32, stable bool, topics coord.Topics) fetched {
	if stable && c.pending[offsetKey{id, topic, partition}] > 0 {
		a := nothing
		a.code = kerr.UnstableOffsetCommit.Code
		return a
	}
	if g == nil {
		return nothing
	}
	o, ok := g.offsets[topic][partition]
	if !ok || ofAnotherTopic(o, topic, topics) {
		return nothing
	}
	return fetched{offset: o.offset, leaderEpoch: o.leaderEpoch, metadata: o.metadata}
}

// ofAnotherTopic reports whether an offset was committed for a topic of the same name
// that has been deleted since.
func ofAnotherTopic(o committed, topic string, topics coord.Topics) bool {
	if topics == nil || o.topicID == ([16]byte{}) {
		return false
	}
	id, _, ok := topics.Topic(topic)
	return ok && id != o.topicID
}

// fetchRefusal answers a fetch for one group with an error and nothing else.
func fetchRefusal(req *kmsg.OffsetFetchRequest, err *kerr.Error) *kmsg.OffsetFetchResponse {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	resp.Topics, resp.ErrorCode = []kmsg.OffsetFetchResponseTopic{}, err.Code
	if req.Version >= 8 {
		g := kmsg.NewOffsetFetchResponseGroup()
		g.Group, g.ErrorCode, g.Topics = req.Groups[0].Group, err.Code, []kmsg.OffsetFetchResponseGroupTopic{}
		resp.Groups = []kmsg.OffsetFetchResponseGroup{g}
		return resp
	}
	if req.Version >= 2 {
		return resp
	}
	for _, t := range req.Topics { // version 1 has errors only here
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.OffsetFetchResponseTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch = p, -1, -1
			rp.Metadata, rp.ErrorCode = new(""), err.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
