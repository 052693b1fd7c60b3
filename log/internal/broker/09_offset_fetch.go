package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
)

// OffsetFetch (key 9): how far a group has read. A group that was never seen has
// read nothing, which is offset -1 and no error.
func init() {
	register(spec{
		key:    9,
		levels: []levelRange{{level: 1, min: 1, max: 10}},
		changes: []change{
			{1, "offsets from the internal topic"},
			{2, "null topics means all; an error code for the group"},
			{3, "throttle time"},
			{5, "leader epoch of the committed offset (KIP-320)"},
			{6, "flexible"},
			{7, "require_stable: no offset that an open transaction may replace (KIP-447)"},
			{8, "many groups at once (KIP-709)"},
			{9, "member id and epoch in groups of the consumer protocol (KIP-848)"},
			{10, "topics by id alone"},
		},
	}, offsetFetch)
}

func offsetFetch(ctx context.Context, c *call, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	if req.Version < 8 {
		return c.fetchOffsets(ctx, req, req.Group)
	}
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	resp.Groups = []kmsg.OffsetFetchResponseGroup{}
	for _, g := range req.Groups {
		one := *req
		one.Groups = []kmsg.OffsetFetchRequestGroup{g}
		r, err := c.fetchOffsets(ctx, &one, g.Group)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.OffsetFetchResponse).Groups...)
	}
	return resp, nil
}

// fetchOffsets answers for one group. Of topics that the caller may not describe it
// says so where they are named, and nothing where all are asked for.
func (c *call) fetchOffsets(ctx context.Context, req *kmsg.OffsetFetchRequest, id string) (kmsg.Response, error) {
	if !c.allowed(acl.Describe, acl.Group, id) {
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	if c.opts.Authorizer == nil {
		return c.groups(ctx, req)
	}
	if req.Version < 8 {
		return c.fetchTopics(ctx, req)
	}
	return c.fetchGroupTopics(ctx, req)
}

// fetchTopics is versions up to 7.
func (c *call) fetchTopics(ctx context.Context, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	mine, others := byRight(c, acl.Describe, req.Topics, func(t kmsg.OffsetFetchRequestTopic) (string, bool) { return t.Topic, true })
	part := *req
	if part.Topics = mine; req.Topics != nil && mine == nil {
		part.Topics = []kmsg.OffsetFetchRequestTopic{} // null would be everything
	}
	r, err := c.groups(ctx, &part)
	if err != nil {
		return nil, err
	}
	resp := r.(*kmsg.OffsetFetchResponse)
	resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.OffsetFetchResponseTopic) bool {
		return !c.sees(acl.Describe, acl.Topic, t.Topic)
	})
	if resp.ErrorCode != 0 {
		return resp, nil
	}
	for _, t := range others {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic, rt.Partitions = t.Topic, []kmsg.OffsetFetchResponseTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, offsetUnknown, noEpoch, new("")
			rp.ErrorCode = kerr.TopicAuthorizationFailed.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

// fetchGroupTopics is versions from 8 on, for the one group of the request.
func (c *call) fetchGroupTopics(ctx context.Context, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	byID := req.Version >= 10
	g := req.Groups[0]
	all := g.Topics == nil
	mine, others := byRight(c, acl.Describe, g.Topics, func(t kmsg.OffsetFetchRequestGroupTopic) (string, bool) {
		return c.named(byID, t.TopicID, t.Topic)
	})
	if g.Topics = mine; !all && mine == nil {
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{} // null would be everything
	}
	part := *req
	part.Groups = []kmsg.OffsetFetchRequestGroup{g}
	r, err := c.groups(ctx, &part)
	if err != nil {
		return nil, err
	}
	resp := &r.(*kmsg.OffsetFetchResponse).Groups[0]
	if all {
		resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.OffsetFetchResponseGroupTopic) bool {
			name, known := c.named(byID, t.TopicID, t.Topic)
			return known && !c.sees(acl.Describe, acl.Topic, name)
		})
	}
	if resp.ErrorCode != 0 {
		return r, nil
	}
	for _, t := range others {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic, rt.TopicID, rt.Partitions = t.Topic, t.TopicID, []kmsg.OffsetFetchResponseGroupTopicPartition{}
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, offsetUnknown, noEpoch, new("")
			rp.ErrorCode = kerr.TopicAuthorizationFailed.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return r, nil
}
