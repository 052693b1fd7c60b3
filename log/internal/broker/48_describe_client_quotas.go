package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/quota"
)

// DescribeClientQuotas (key 48): the quotas of the entities that a filter picks.
func init() {
	register(spec{
		key:    48,
		levels: []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "filters by user, client-id and ip (KIP-546)"},
			{1, "flexible"},
		},
	}, describeClientQuotas)
}

func describeClientQuotas(_ context.Context, c *call, req *kmsg.DescribeClientQuotasRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeClientQuotasResponse)
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	fail := func(err error) (kmsg.Response, error) {
		resp.ErrorCode, resp.ErrorMessage = refusal(err)
		return resp, nil
	}
	if !c.allowed(acl.DescribeConfigs, acl.Cluster, acl.ClusterName) {
		return fail(kerr.ClusterAuthorizationFailed)
	}
	filter, err := newQuotaFilter(req)
	if err != nil {
		return fail(err)
	}
	quotas := c.image().Quotas()
	for e := range quotas.All() {
		if !filter.matches(e) {
			continue
		}
		entry := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, kind := range e.Types() {
			part := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			part.Type = kind
			if name, ok := e.Part(kind).Get(); ok {
				part.Name = &name
			}
			entry.Entity = append(entry.Entity, part)
		}
		for key, value := range quotas.Values(e) {
			v := kmsg.NewDescribeClientQuotasResponseEntryValue()
			v.Key, v.Value = string(key), value
			entry.Values = append(entry.Values, v)
		}
		resp.Entries = append(resp.Entries, entry)
	}
	return resp, nil
}

// quotaFilter picks entities by their parts.
type quotaFilter struct {
	exact  quota.Entity // the parts that must be just so
	any    map[string]bool
	parts  int
	strict bool
}

func newQuotaFilter(req *kmsg.DescribeClientQuotasRequest) (*quotaFilter, error) {
	f := &quotaFilter{any: map[string]bool{}, parts: len(req.Components), strict: req.Strict}
	for _, part := range req.Components {
		at := f.exact.Part(part.EntityType)
		switch {
		case part.EntityType == "":
			return nil, refused(kerr.InvalidRequest, "a filter's entity type is empty")
		case at == nil:
			return nil, refused(kerr.UnsupportedVersion, fmt.Sprintf("there is no entity type %q: use user, client-id or ip", part.EntityType))
		case at.IsSet() || f.any[part.EntityType]:
			return nil, refused(kerr.InvalidRequest, fmt.Sprintf("the entity type %s is in the filter twice", part.EntityType))
		case part.MatchType == kmsg.QuotasMatchTypeExact && part.Match != nil:
			*at = quota.Named(quotaName(part.EntityType, *part.Match))
		case part.MatchType == kmsg.QuotasMatchTypeDefault && part.Match == nil:
			*at = quota.Default
		case part.MatchType == kmsg.QuotasMatchTypeAny && part.Match == nil:
			f.any[part.EntityType] = true
		default:
			return nil, refused(kerr.InvalidRequest, fmt.Sprintf("match type %d with or without a name: exact (0) needs one, default (1) and any (2) have none", part.MatchType))
		}
	}
	if (f.exact.IP.IsSet() || f.any[quota.TypeIP]) && f.parts > 1 {
		return nil, refused(kerr.InvalidRequest, "an ip cannot be combined with a user or a client-id")
	}
	return f, nil
}

// matches tells whether an entity has all the parts of the filter and, if that is
// strict, no other.
func (f *quotaFilter) matches(e quota.Entity) bool {
	for _, kind := range []string{quota.TypeUser, quota.TypeClientID, quota.TypeIP} {
		want, have := *f.exact.Part(kind), *e.Part(kind)
		if want.IsSet() && have != want || f.any[kind] && !have.IsSet() {
			return false
		}
	}
	return !f.strict || len(e.Types()) == f.parts
}
