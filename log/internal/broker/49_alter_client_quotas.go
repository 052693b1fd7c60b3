package broker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/quota"
)

// AlterClientQuotas (key 49): sets and removes quotas, the entities each for itself.
// They hold from the next request of a client on.
func init() {
	register(spec{
		key:    49,
		levels: []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "quotas by user, client-id and ip (KIP-546)"},
			{1, "flexible"},
		},
		deviations: []string{
			"An `ip` must be an address: host names are not resolved.",
			"At most 10 000 entities can have quotas.",
			"A quota may be 0, which lets nothing through; Kafka refuses that.",
			"A throttled Fetch is answered with its records, and its client waits afterwards; Kafka has it wait first. " +
				"One wait is 30 s at most. A client without a client id is in the default of client ids.",
		},
	}, alterClientQuotas)
}

func alterClientQuotas(ctx context.Context, c *call, req *kmsg.AlterClientQuotasRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AlterClientQuotasResponse)
	resp.Entries = make([]kmsg.AlterClientQuotasResponseEntry, len(req.Entries))
	change := meta.AlterClientQuotas{ValidateOnly: req.ValidateOnly}
	var asked []int // entry of each of change.Entities
	allowed := c.allowed(acl.AlterConfigs, acl.Cluster, acl.ClusterName)
	for i, entry := range req.Entries {
		out := &resp.Entries[i]
		*out = kmsg.NewAlterClientQuotasResponseEntry()
		out.Entity = []kmsg.AlterClientQuotasResponseEntryEntity{}
		for _, part := range entry.Entity {
			p := kmsg.NewAlterClientQuotasResponseEntryEntity()
			p.Type, p.Name = part.Type, part.Name
			out.Entity = append(out.Entity, p)
		}
		if !allowed {
			out.ErrorCode, out.ErrorMessage = refusal(kerr.ClusterAuthorizationFailed)
			continue
		}
		changes, err := quotaChanges(entry)
		if err != nil {
			out.ErrorCode, out.ErrorMessage = refusal(err)
			continue
		}
		change.Entities, asked = append(change.Entities, changes), append(asked, i)
	}
	if len(asked) == 0 {
		return resp, nil
	}
	results, err := c.opts.Meta.AlterClientQuotas(ctx, change)
	for n, i := range asked {
		out := &resp.Entries[i]
		if err != nil {
			out.ErrorCode, out.ErrorMessage = refusal(err)
		} else {
			out.ErrorCode, out.ErrorMessage = refusal(results[n])
		}
	}
	return resp, nil
}

func quotaChanges(entry kmsg.AlterClientQuotasRequestEntry) (meta.QuotaChanges, error) {
	var changes meta.QuotaChanges
	for _, part := range entry.Entity {
		at := changes.Entity.Part(part.Type)
		switch {
		case at == nil:
			return changes, refused(kerr.InvalidRequest, fmt.Sprintf("there is no entity type %q: use user, client-id or ip", part.Type))
		case at.IsSet():
			return changes, refused(kerr.InvalidRequest, fmt.Sprintf("the entity type %s is given twice", part.Type))
		case part.Name == nil:
			*at = quota.Default
		default:
			*at = quota.Named(quotaName(part.Type, *part.Name))
		}
	}
	for _, op := range entry.Ops {
		changes.Changes = append(changes.Changes, meta.QuotaChange{Key: quota.Key(op.Key), Value: op.Value, Remove: op.Remove})
	}
	return changes, nil
}

// quotaName is a name as it is kept: of an address, the way in which connections are
// compared with it.
func quotaName(kind, name string) string {
	if ip, err := netip.ParseAddr(name); kind == quota.TypeIP && err == nil {
		return ip.Unmap().String()
	}
	return name
}
