package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// DeleteAcls (key 31): the access control entries that filters select are removed, and
// named in the answer.
func init() {
	register(spec{
		key:    31,
		levels: []levelRange{{level: 1, min: 1, max: 3}},
		changes: []change{
			{1, "prefixed patterns, and filters for them (KIP-290); throttle time is applied by the client"},
			{2, "flexible"},
			{3, "users as resources (KIP-373)"},
		},
	}, deleteACLs)
}

func deleteACLs(ctx context.Context, c *call, req *kmsg.DeleteACLsRequest) (kmsg.Response, error) {
	filters := make([]acl.Filter, len(req.Filters))
	for i, rf := range req.Filters {
		filters[i] = acl.Filter{
			Resource: acl.ResourceType(rf.ResourceType), Name: rf.ResourceName, Pattern: acl.PatternType(rf.ResourcePatternType),
			Principal: rf.Principal, Host: rf.Host, Operation: acl.Operation(rf.Operation), Permission: acl.Permission(rf.PermissionType),
		}
	}
	var deletions []meta.ACLDeletion
	err := c.aclRight(acl.Alter)
	if err == nil && len(filters) > 0 {
		deletions, err = c.opts.Meta.DeleteACLs(ctx, meta.DeleteACLs{Filters: filters})
	}
	resp := req.ResponseKind().(*kmsg.DeleteACLsResponse)
	resp.Results = []kmsg.DeleteACLsResponseResult{}
	for i := range filters {
		r := kmsg.NewDeleteACLsResponseResult()
		r.MatchingACLs = []kmsg.DeleteACLsResponseResultMatchingACL{}
		if err != nil {
			r.ErrorCode, r.ErrorMessage = refusal(err)
		} else if r.ErrorCode, r.ErrorMessage = refusal(deletions[i].Err); r.ErrorCode == 0 {
			for _, e := range deletions[i].Deleted {
				r.MatchingACLs = append(r.MatchingACLs, deletedACL(e))
			}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}

func deletedACL(e acl.Entry) kmsg.DeleteACLsResponseResultMatchingACL {
	m := kmsg.NewDeleteACLsResponseResultMatchingACL()
	m.ResourceType, m.ResourceName, m.ResourcePatternType = kmsg.ACLResourceType(e.Resource), e.Name, kmsg.ACLResourcePatternType(e.Pattern)
	m.Principal, m.Host = e.Principal, e.Host
	m.Operation, m.PermissionType = kmsg.ACLOperation(e.Operation), kmsg.ACLPermissionType(e.Permission)
	return m
}
