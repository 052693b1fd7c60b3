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

// CreateTopics (key 19).
func init() {
	register(spec{
		key:         19,
		answerBytes: 8 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 7}},
		changes: []change{
			{0, "names, numbers or assignments, configs"},
			{1, "validate only; error messages"},
			{2, "throttle time"},
			{4, "-1 means the default number of partitions and replicas (KIP-464)"},
			{5, "flexible; the answer has partitions, replicas and configs (KIP-525)"},
			{6, "clients that know THROTTLING_QUOTA_EXCEEDED (KIP-599)"},
			{7, "the answer has the topic id"},
		},
		deviations: []string{
			"Served from version 0; Kafka 4 serves from 2.",
			"A config that is given twice is refused with INVALID_CONFIG; Kafka takes the last.",
			"The one value of `compression.type` is `producer`: batches are never compressed again.",
		},
	}, createTopics)
}

func createTopics(ctx context.Context, c *call, req *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	names := make([]string, len(req.Topics))
	for i, t := range req.Topics {
		names[i] = t.Topic
	}
	twice := duplicates(names)
	var change meta.CreateTopics
	change.ValidateOnly = req.Version >= 1 && req.ValidateOnly
	var denied []string
	for _, t := range req.Topics {
		switch {
		case twice[t.Topic]:
		case !c.mayCreate(t.Topic):
			denied = append(denied, t.Topic)
		default:
			change.Topics = append(change.Topics, newTopic(t))
		}
	}
	ctx, cancel := within(ctx, req.TimeoutMillis)
	defer cancel()
	results, err := mutating(c, change.Topics, req.Version >= strictCreateTopics, change.ValidateOnly, c.partitionsOf,
		func(granted []meta.NewTopic) ([]meta.TopicResult, error) {
			return c.opts.Meta.CreateTopics(ctx, meta.CreateTopics{Topics: granted, ValidateOnly: change.ValidateOnly})
		})
	c.settle(ctx)

	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	resp.Topics = []kmsg.CreateTopicsResponseTopic{}
	for _, name := range slices.Sorted(maps.Keys(twice)) {
		rt := newCreateTopicsResponseTopic(name)
		rt.ErrorCode, rt.ErrorMessage = kerr.InvalidRequest.Code, new("the topic is named more than once")
		resp.Topics = append(resp.Topics, rt)
	}
	for _, name := range denied {
		rt := newCreateTopicsResponseTopic(name)
		rt.ErrorCode, rt.ErrorMessage = kerr.TopicAuthorizationFailed.Code, new("no right to create the topic")
		resp.Topics = append(resp.Topics, rt)
	}
	for i, t := range change.Topics {
		rt := newCreateTopicsResponseTopic(t.Name)
		if err != nil {
			rt.ErrorCode, rt.ErrorMessage = refusal(err)
		} else if rt.ErrorCode, rt.ErrorMessage = refusal(results[i].Err); rt.ErrorCode == 0 {
			c.describeCreated(&rt, results[i].Topic)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

func newTopic(t kmsg.CreateTopicsRequestTopic) meta.NewTopic {
	n := meta.NewTopic{Name: t.Topic, Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}
	if len(t.ReplicaAssignment) > 0 {
		n.Assignments = make([][]int32, len(t.ReplicaAssignment))
		for _, a := range t.ReplicaAssignment {
			if a.Partition >= 0 && int(a.Partition) < len(n.Assignments) {
				n.Assignments[a.Partition] = a.Replicas // one that is missing is refused as empty
			}
		}
	}
	for _, cfg := range t.Configs {
		v := meta.ConfigValue{Key: cfg.Name, Null: cfg.Value == nil}
		if !v.Null {
			v.Value = *cfg.Value
		}
		n.Configs = append(n.Configs, v)
	}
	return n
}

// newCreateTopicsResponseTopic has no null where the Java client cannot read one.
func newCreateTopicsResponseTopic(name string) kmsg.CreateTopicsResponseTopic {
	rt := kmsg.NewCreateTopicsResponseTopic()
	rt.Topic = name
	rt.NumPartitions, rt.ReplicationFactor = -1, -1
	rt.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	return rt
}

// describeCreated fills in what was made, as far as the caller may see it.
func (c *call) describeCreated(rt *kmsg.CreateTopicsResponseTopic, t *meta.Topic) {
	rt.TopicID = t.ID
	if !c.sees(acl.DescribeConfigs, acl.Topic, t.Name) {
		rt.ConfigErrorCode = kerr.TopicAuthorizationFailed.Code
		return
	}
	rt.NumPartitions = int32(len(t.Partitions))
	rt.ReplicationFactor = int16(len(t.Partitions[0].Replicas))
	for _, cfg := range topicConfigs(t) {
		rc := kmsg.NewCreateTopicsResponseTopicConfig()
		rc.Name, rc.Value, rc.Source = cfg.Key, &cfg.value, int8(cfg.source)
		rt.Configs = append(rt.Configs, rc)
	}
}
