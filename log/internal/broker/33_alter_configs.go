package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
)

// AlterConfigs (key 33): the configs of topics, of groups or of all nodes are
// replaced as a whole. Clients use IncrementalAlterConfigs where they know it; kafkajs does not.
func init() {
	register(spec{
		key:         33,
		answerBytes: 2 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "all configs of a resource"},
			{1, "throttle time is applied by the client"},
			{2, "flexible"},
		},
	}, alterConfigs)
}

func alterConfigs(ctx context.Context, c *call, req *kmsg.AlterConfigsRequest) (kmsg.Response, error) {
	alters := make([]alterResource, len(req.Resources))
	for i, rr := range req.Resources {
		alters[i] = alterResource{kind: rr.ResourceType, name: rr.ResourceName, replace: true}
		for _, cfg := range rr.Configs {
			ch := meta.ConfigChange{Op: meta.ConfigSet, Key: cfg.Name}
			if cfg.Value == nil {
				alters[i].nullValue = cfg.Name
			} else {
				ch.Value = *cfg.Value
			}
			alters[i].changes = append(alters[i].changes, ch)
		}
	}
	c.alterConfigs(ctx, alters, req.ValidateOnly)

	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	resp.Resources = []kmsg.AlterConfigsResponseResource{}
	for _, a := range alters {
		r := kmsg.NewAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = a.kind, a.name
		r.ErrorCode, r.ErrorMessage = refusal(a.err)
		resp.Resources = append(resp.Resources, r)
	}
	return resp, nil
}
