package broker

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// CreatePartitions (key 37): topics grow.
func init() {
	register(spec{
		key:         37,
		answerBytes: 2 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 3}},
		changes: []change{
			{0, "the number of partitions in all, and where the new ones go"},
			{1, "throttle time is applied by the client"},
			{2, "flexible"},
			{3, "clients that know THROTTLING_QUOTA_EXCEEDED (KIP-599)"},
		},
	}, createPartitions)
}

func createPartitions(ctx context.Context, c *call, req *kmsg.CreatePartitionsRequest) (kmsg.Response, error) {
	names := make([]string, len(req.Topics))
	for i, t := range req.Topics {
		names[i] = t.Topic
	}
	twice := duplicates(names)
	change := meta.CreatePartitions{ValidateOnly: req.ValidateOnly}
	var denied []string
	for _, t := range req.Topics {
		if twice[t.Topic] {
			continue
		}
		if !c.allowed(acl.Alter, acl.Topic, t.Topic) {
			denied = append(denied, t.Topic)
			continue
		}
		more := meta.MorePartitions{Name: t.Topic, Count: t.Count}
		if t.Assignment != nil {
			more.Assignments = [][]int32{}
		}
		for _, a := range t.Assignment {
			more.Assignments = append(more.Assignments, a.Replicas)
		}
		change.Topics = append(change.Topics, more)
	}
	ctx, cancel := within(ctx, req.TimeoutMillis)
	defer cancel()
	results, err := mutating(c, change.Topics, req.Version >= strictCreatePartitions, change.ValidateOnly, c.addedBy,
		func(granted []meta.MorePartitions) ([]meta.TopicResult, error) {
			return c.opts.Meta.CreatePartitions(ctx, meta.CreatePartitions{Topics: granted, ValidateOnly: change.ValidateOnly})
		})
	c.settle(ctx)

	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	resp.Topics = []kmsg.CreatePartitionsResponseTopic{}
	for _, name := range slices.Sorted(maps.Keys(twice)) {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = name, kerr.InvalidRequest.Code, new("the topic is named more than once")
		resp.Topics = append(resp.Topics, rt)
	}
	for _, name := range denied {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = name, kerr.TopicAuthorizationFailed.Code, new("no right to alter the topic")
		resp.Topics = append(resp.Topics, rt)
	}
	for i, t := range change.Topics {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic = t.Name
		if err != nil {
			rt.ErrorCode, rt.ErrorMessage = refusal(err)
		} else {
			rt.ErrorCode, rt.ErrorMessage = refusal(results[i].Err)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}
