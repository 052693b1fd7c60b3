package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// IncrementalAlterConfigs (key 44): configs of topics, of groups or of all nodes are
// set, removed, appended to or subtracted from (KIP-339).
func init() {
	register(spec{
		key:         44,
		answerBytes: 2 << 10,
		levels:      []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "changes of configs"},
			{1, "flexible"},
		},
		deviations: []string{"Of brokers' configs those that are defaults of topic configs can be changed (`log.retention.ms` and the like), for all nodes at once; everything else is given at a node's start and refused with INVALID_REQUEST.",
			"Of groups' configs there are those of the consumer protocol (`consumer.session.timeout.ms`, `consumer.heartbeat.interval.ms`); those of share and streams groups are refused with INVALID_CONFIG, as names that are unknown.",
		},
	}, incrementalAlterConfigs)
}

func incrementalAlterConfigs(ctx context.Context, c *call, req *kmsg.IncrementalAlterConfigsRequest) (kmsg.Response, error) {
	alters := make([]alterResource, len(req.Resources))
	for i, rr := range req.Resources {
		alters[i] = alterResource{kind: rr.ResourceType, name: rr.ResourceName}
		for _, cfg := range rr.Configs {
			ch := meta.ConfigChange{Op: meta.ConfigOp(cfg.Op), Key: cfg.Name}
			if cfg.Value != nil {
				ch.Value = *cfg.Value
			} else if ch.Op != meta.ConfigDelete {
				alters[i].nullValue = cfg.Name
			}
			alters[i].changes = append(alters[i].changes, ch)
		}
	}
	c.alterConfigs(ctx, alters, req.ValidateOnly)

	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	resp.Resources = []kmsg.IncrementalAlterConfigsResponseResource{}
	for _, a := range alters {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = a.kind, a.name
		r.ErrorCode, r.ErrorMessage = refusal(a.err)
		resp.Resources = append(resp.Resources, r)
	}
	return resp, nil
}

// alterResource is one resource whose configs change, and what became of it.
type alterResource struct {
	kind      kmsg.ConfigResourceType
	name      string
	replace   bool // what is not named goes back to its default
	changes   []meta.ConfigChange
	nullValue string // a config that would be set to null
	err       error
}

// alterConfigs makes the changes and fills in their outcome.
func (c *call) alterConfigs(ctx context.Context, alters []alterResource, validateOnly bool) {
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	count := map[resource]int{}
	for _, a := range alters {
		count[resource{a.kind, a.name}]++
	}
	change := meta.AlterConfigs{ValidateOnly: validateOnly}
	var of, groups []*alterResource
	for i := range alters {
		a := &alters[i]
		if count[resource{a.kind, a.name}] > 1 {
			a.err = refused(kerr.InvalidRequest, "the resource is named more than once")
			continue
		}
		if why := a.unclear(); why != "" {
			a.err = refused(kerr.InvalidRequest, why)
			continue
		}
		if code := c.configRight(acl.AlterConfigs, a.kind, a.name); code != nil {
			a.err = refused(code, "no right to alter these configs")
			continue
		}
		switch {
		case a.kind == kmsg.ConfigResourceTypeBroker:
			a.err = c.alterBroker(ctx, a, validateOnly)
		case a.kind == kmsg.ConfigResourceTypeGroupConfig:
			groups = append(groups, a)
		case a.kind != kmsg.ConfigResourceTypeTopic:
			a.err = refused(kerr.InvalidRequest, "only the configs of topics, brokers and groups can be changed")
		default:
			change.Topics = append(change.Topics, meta.ConfigChanges{
				Topic: meta.TopicRef{Name: a.name}, Replace: a.replace, Changes: a.changes,
			})
			of = append(of, a)
		}
	}
	c.alterGroups(ctx, groups, validateOnly)
	if len(of) == 0 {
		return
	}
	results, err := c.opts.Meta.AlterConfigs(ctx, change)
	for i, a := range of {
		if a.err = err; err == nil {
			a.err = results[i].Err
		}
	}
}

// unclear says what is wrong with the changes, whatever they are of.
func (a *alterResource) unclear() string {
	named := map[string]bool{}
	for _, ch := range a.changes {
		if named[ch.Key] {
			return "config " + ch.Key + " is changed twice"
		}
		named[ch.Key] = true
	}
	if a.nullValue != "" {
		return "config " + a.nullValue + " cannot be null"
	}
	return ""
}

func refused(code *kerr.Error, reason string) error { return &meta.Refusal{Code: code, Reason: reason} }
