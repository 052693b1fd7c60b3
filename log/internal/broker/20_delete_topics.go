package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// DeleteTopics (key 20). The records and what groups committed for them are gone
// when the answer is there; the files follow.
func init() {
	register(spec{
		key:         20,
		answerBytes: 2 << 10,
		levels:      []levelRange{{level: 1, min: 1, max: 6}},
		changes: []change{
			{1, "names; throttle time"},
			{4, "flexible"},
			{5, "error messages; clients that know THROTTLING_QUOTA_EXCEEDED (KIP-599)"},
			{6, "names or ids"},
		},
		deviations: []string{"The log's own topics are not deleted (INVALID_REQUEST), get no more partitions (INVALID_PARTITIONS) and keep their configs (INVALID_REQUEST); Kafka lets who has the right do all of it."},
	}, deleteTopics)
}

func deleteTopics(ctx context.Context, c *call, req *kmsg.DeleteTopicsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	resp.Topics = []kmsg.DeleteTopicsResponseTopic{}
	var change meta.DeleteTopics
	refs := namedIn(req)
	count := map[meta.TopicRef]int{}
	for _, ref := range refs {
		count[ref]++
	}
	for _, ref := range refs {
		if rt, bad := unclear(ref, count); bad {
			if count[ref] > 0 { // one answer is enough
				resp.Topics = append(resp.Topics, rt)
			}
			count[ref] = 0
		} else if rt, denied := c.refuseDeletion(ref); denied {
			resp.Topics = append(resp.Topics, rt)
		} else if rt, twice := c.namedBothWays(ref, count); twice {
			if rt.Topic != nil { // one answer is enough
				resp.Topics = append(resp.Topics, rt)
			}
		} else {
			change.Topics = append(change.Topics, ref)
		}
	}
	ctx, cancel := within(ctx, req.TimeoutMillis)
	defer cancel()
	results, err := mutating(c, change.Topics, req.Version >= strictDeleteTopics, false, c.deletedBy,
		func(granted []meta.TopicRef) ([]meta.TopicResult, error) {
			return c.opts.Meta.DeleteTopics(ctx, meta.DeleteTopics{Topics: granted})
		})
	c.settle(ctx)
	c.forgetOffsets(ctx, results)
	for i, ref := range change.Topics {
		rt := kmsg.NewDeleteTopicsResponseTopic()
		rt.TopicID = ref.ID
		if ref.ID.IsZero() || req.Version < 6 {
			rt.Topic = &ref.Name
		}
		if err != nil {
			rt.ErrorCode, rt.ErrorMessage = refusal(err)
		} else if rt.ErrorCode, rt.ErrorMessage = refusal(results[i].Err); rt.ErrorCode == 0 {
			rt.Topic, rt.TopicID = &results[i].Topic.Name, results[i].Topic.ID
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

// refuseDeletion is the answer about a topic that the caller may not delete. Without
// the right to describe it nobody learns whether a name is there, nor the name of an id.
func (c *call) refuseDeletion(ref meta.TopicRef) (rt kmsg.DeleteTopicsResponseTopic, denied bool) {
	rt = kmsg.NewDeleteTopicsResponseTopic()
	if c.sees(acl.Delete, acl.Cluster, acl.ClusterName) {
		return rt, false
	}
	rt.ErrorCode, rt.ErrorMessage = kerr.TopicAuthorizationFailed.Code, new("no right to delete the topic")
	if ref.ID.IsZero() {
		rt.Topic = &ref.Name
		return rt, !c.allowed(acl.Describe, acl.Topic, ref.Name) ||
			c.image().TopicByName(ref.Name) != nil && !c.allowed(acl.Delete, acl.Topic, ref.Name)
	}
	t := c.image().Topic(ref.ID)
	if t == nil || c.allowed(acl.Delete, acl.Topic, t.Name) {
		return rt, false
	}
	if rt.TopicID = ref.ID; c.sees(acl.Describe, acl.Topic, t.Name) {
		rt.Topic = &t.Name
	}
	return rt, true
}

// unclear refuses a reference that names a topic in two ways, or in none, or that is
// there more than once; count is how often each is.
func unclear(ref meta.TopicRef, count map[meta.TopicRef]int) (rt kmsg.DeleteTopicsResponseTopic, bad bool) {
	var why string
	switch {
	case ref.Name != "" && !ref.ID.IsZero():
		why = "give a topic's name or its id, not both"
	case ref == meta.TopicRef{}:
		why = "give a topic's name or its id"
	case count[ref] != 1:
		why = "the topic is named more than once"
	default:
		return rt, false
	}
	rt = kmsg.NewDeleteTopicsResponseTopic()
	rt.TopicID, rt.ErrorCode, rt.ErrorMessage = ref.ID, kerr.InvalidRequest.Code, &why
	if rt.Topic = &ref.Name; ref.Name == "" && !ref.ID.IsZero() {
		rt.Topic = nil
	}
	return rt, true
}

// namedBothWays refuses a topic that a request names by its name and by its id. The
// answer is to the name; to the id there is none.
func (c *call) namedBothWays(ref meta.TopicRef, count map[meta.TopicRef]int) (rt kmsg.DeleteTopicsResponseTopic, twice bool) {
	t := c.image().Topic(ref.ID)
	if ref.ID.IsZero() {
		t = c.image().TopicByName(ref.Name)
	}
	if t == nil || count[meta.TopicRef{Name: t.Name}] != 1 || count[meta.TopicRef{ID: t.ID}] != 1 {
		return rt, false
	}
	if _, denied := c.refuseDeletion(meta.TopicRef{Name: t.Name}); denied {
		return rt, false
	}
	rt = kmsg.NewDeleteTopicsResponseTopic()
	if ref.ID.IsZero() {
		rt.Topic, rt.TopicID = &t.Name, t.ID
		rt.ErrorCode, rt.ErrorMessage = kerr.InvalidRequest.Code, new("the topic is named by its id as well")
	}
	return rt, true
}

// namedIn is what a request of its version names: a caller in this process may
// fill the lists of all versions.
func namedIn(req *kmsg.DeleteTopicsRequest) []meta.TopicRef {
	var refs []meta.TopicRef
	if req.Version < 6 {
		for _, name := range req.TopicNames {
			refs = append(refs, meta.TopicRef{Name: name})
		}
		return refs
	}
	for _, t := range req.Topics {
		ref := meta.TopicRef{ID: t.TopicID}
		if t.Topic != nil {
			ref.Name = *t.Topic
		}
		refs = append(refs, ref)
	}
	return refs
}

// forgetOffsets drops what groups have committed for deleted topics before the client
// is told: whoever creates a topic of the same name after that, and commits, has
// another topic, and must neither find the old offsets nor lose the new ones.
func (c *call) forgetOffsets(ctx context.Context, results []meta.TopicResult) {
	var names []string
	for _, r := range results {
		if r.Err == nil {
			names = append(names, r.Topic.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	if err := c.opts.Groups.TopicsDeleted(ctx, names); err != nil {
		c.opts.Logger.Warn("offsets of deleted topics are still there; the next start drops them", "topics", names, "error", err)
	}
}
