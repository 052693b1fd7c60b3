package broker

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DescribeConfigs (key 32): configs of topics, of this node and of groups.
func init() {
	register(spec{
		key:         32,
		answerBytes: 16 << 10,
		levels:      []levelRange{{level: 1, min: 1, max: 4}},
		changes: []change{
			{1, "where a value comes from, and its synonyms (KIP-226)"},
			{2, "throttle time is applied by the client"},
			{3, "type and documentation (KIP-569)"},
			{4, "flexible"},
		},
		deviations: []string{"A node shows the configs that it has, with Kafka's names where they mean the same; it does not show Kafka's whole list."},
	}, describeConfigs)
}

func describeConfigs(_ context.Context, c *call, req *kmsg.DescribeConfigsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	resp.Resources = []kmsg.DescribeConfigsResponseResource{}
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	seen := map[resource]bool{}
	for _, rr := range req.Resources {
		if seen[resource{rr.ResourceType, rr.ResourceName}] {
			continue // described once, as in Kafka
		}
		seen[resource{rr.ResourceType, rr.ResourceName}] = true
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = rr.ResourceType, rr.ResourceName
		r.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		entries, err, why := c.configsOf(rr.ResourceType, rr.ResourceName)
		if err != nil {
			r.ErrorCode, r.ErrorMessage = err.Code, &why
		}
		for _, e := range entries {
			if rr.ConfigNames == nil || slices.Contains(rr.ConfigNames, e.Key) {
				r.Configs = append(r.Configs, e.describe(req.IncludeSynonyms, req.Version >= 3 && req.IncludeDocumentation))
			}
		}
		resp.Resources = append(resp.Resources, r)
	}
	return resp, nil
}

// configsOf are the configs of a resource, or why there are none.
func (c *call) configsOf(kind kmsg.ConfigResourceType, name string) ([]configEntry, *kerr.Error, string) {
	if err := c.configRight(acl.DescribeConfigs, kind, name); err != nil {
		return nil, err, "no right to describe these configs"
	}
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if !validTopicName(name) {
			return nil, kerr.InvalidTopicException, "no topic can have this name"
		}
		if t := c.image().TopicByName(name); t != nil {
			return topicConfigs(t), nil, ""
		}
		return nil, kerr.UnknownTopicOrPartition, "no topic has this name"
	case kmsg.ConfigResourceTypeBroker:
		if name == "" {
			return setDefaults(c.image()), nil, ""
		}
		if id, err := strconv.Atoi(name); err != nil || int32(id) != c.opts.NodeID {
			return nil, kerr.InvalidRequest, "a node describes its own configs alone; ask node " + name
		}
		return c.brokerConfigs(), nil, ""
	case kmsg.ConfigResourceTypeGroupConfig:
		if name == "" {
			return nil, kerr.InvalidRequest, "configs belong to one group: name it"
		}
		return c.groupEntries(name), nil, ""
	}
	return nil, kerr.InvalidRequest, "only topics, brokers and groups have configs"
}

func (e configEntry) describe(synonyms, documentation bool) kmsg.DescribeConfigsResponseResourceConfig {
	r := kmsg.NewDescribeConfigsResponseResourceConfig()
	r.Name, r.Value, r.ReadOnly, r.Source = e.Key, &e.value, e.readOnly, e.source
	r.IsDefault = e.source == kmsg.ConfigSourceDefaultConfig
	r.ConfigType = kmsg.ConfigType(e.Type)
	r.ConfigSynonyms = []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{}
	if synonyms {
		for _, place := range e.places() {
			s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			s.Name, s.Value, s.Source = place.key, &place.value, place.source
			r.ConfigSynonyms = append(r.ConfigSynonyms, s)
		}
	}
	if documentation {
		effect := e.Effect
		if effect == "" {
			effect = "kept and shown, without effect"
		}
		r.Documentation = &effect
	}
	return r
}

// places are where the value may come from.
func (e configEntry) places() []synonym {
	if e.synonyms == nil {
		return []synonym{{e.Key, e.value, e.source}}
	}
	return e.synonyms
}
