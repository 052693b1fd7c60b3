package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// CreateAcls (key 30): access control entries are added, each for itself. One that is
// there already is no error. They count when the answer is there.
func init() {
	register(spec{
		key:    30,
		levels: []levelRange{{level: 1, min: 1, max: 3}},
		changes: []change{
			{1, "prefixed patterns (KIP-290); throttle time is applied by the client"},
			{2, "flexible"},
			{3, "users as resources (KIP-373)"},
		},
		deviations: []string{"There are 50 000 entries at most; one more is refused with POLICY_VIOLATION."},
	}, createACLs)
}

func createACLs(ctx context.Context, c *call, req *kmsg.CreateACLsRequest) (kmsg.Response, error) {
	entries := make([]acl.Entry, len(req.Creations))
	for i, rc := range req.Creations {
		entries[i] = acl.Entry{
			Resource: acl.ResourceType(rc.ResourceType), Name: rc.ResourceName, Pattern: acl.PatternType(rc.ResourcePatternType),
			Principal: rc.Principal, Host: rc.Host, Operation: acl.Operation(rc.Operation), Permission: acl.Permission(rc.PermissionType),
		}
	}
	var faults []error
	err := c.aclRight(acl.Alter)
	if err == nil && len(entries) > 0 {
		faults, err = c.opts.Meta.CreateACLs(ctx, meta.CreateACLs{Entries: entries})
	}
	resp := req.ResponseKind().(*kmsg.CreateACLsResponse)
	resp.Results = []kmsg.CreateACLsResponseResult{}
	for i := range entries {
		r := kmsg.NewCreateACLsResponseResult()
		if err != nil {
			r.ErrorCode, r.ErrorMessage = refusal(err)
		} else {
			r.ErrorCode, r.ErrorMessage = refusal(faults[i])
		}
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}
