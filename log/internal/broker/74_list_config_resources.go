package broker

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// ListConfigResources (key 74): what has configs (KIP-1142).
func init() {
	register(spec{
		key:    74,
		levels: []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "the subscriptions of client metrics, of which there are none; flexible"},
			{1, "topics, brokers and the other kinds of resources"},
		},
		deviations: []string{"Loggers and client metrics have no configs here: they are kinds without resources."},
	}, listConfigResources)
}

// Kinds of resources that Kafka has configs for.
const (
	resourceTopic         = int8(kmsg.ConfigResourceTypeTopic)
	resourceBroker        = int8(kmsg.ConfigResourceTypeBroker)
	resourceBrokerLogger  = int8(kmsg.ConfigResourceTypeBrokerLogger)
	resourceClientMetrics = int8(kmsg.ConfigResourceTypeClientMetrics)
	resourceGroup         = int8(kmsg.ConfigResourceTypeGroupConfig)
)

func listConfigResources(_ context.Context, c *call, req *kmsg.ListConfigResourcesRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	resp.ConfigResources = []kmsg.ListConfigResourcesResponseConfigResource{}
	if !c.allowedOnCluster(acl.DescribeConfigs) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	all := []int8{resourceGroup, resourceClientMetrics, resourceBrokerLogger, resourceBroker, resourceTopic}
	kinds := req.ResourceTypes
	switch {
	case req.Version == 0:
		kinds = []int8{resourceClientMetrics}
	case len(kinds) == 0:
		kinds = all
	case slices.ContainsFunc(kinds, func(k int8) bool { return !slices.Contains(all, k) }):
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	for _, kind := range all {
		if slices.Contains(kinds, kind) {
			resp.ConfigResources = append(resp.ConfigResources, c.resourcesOf(kind)...)
		}
	}
	return resp, nil
}

func (c *call) resourcesOf(kind int8) []kmsg.ListConfigResourcesResponseConfigResource {
	var resources []kmsg.ListConfigResourcesResponseConfigResource
	add := func(name string) {
		r := kmsg.NewListConfigResourcesResponseConfigResource()
		r.Name, r.Type = name, kind
		resources = append(resources, r)
	}
	switch kind {
	case resourceTopic:
		for t := range c.image().Topics() {
			add(t.Name)
		}
	case resourceGroup:
		for name := range c.image().ConfiguredGroups() {
			add(name)
		}
	case resourceBroker:
		for b := range c.image().Brokers() {
			add(strconv.Itoa(int(b.NodeID)))
		}
	}
	return resources
}
