package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

// DescribeAcls (key 29): the access control entries that a filter selects.
func init() {
	register(spec{
		key:    29,
		levels: []levelRange{{level: 1, min: 1, max: 3}},
		changes: []change{
			{1, "prefixed patterns, and filters for them (KIP-290); throttle time is applied by the client"},
			{2, "flexible"},
			{3, "users as resources (KIP-373)"},
		},
		deviations: []string{"A number that is no resource type, pattern type, operation or permission is refused with INVALID_REQUEST, also in CreateAcls and DeleteAcls; Kafka closes the connection."},
	}, describeACLs)
}

// errSecurityDisabled is the answer of a node that gives rights to everybody.
var errSecurityDisabled = refused(kerr.SecurityDisabled, "authorization is off: start the node with --authorize")

// aclRight is why the caller may not see or change access control entries; nil if it
// may.
func (c *call) aclRight(op acl.Operation) error {
	switch {
	case !c.allowedOnCluster(op):
		return refused(kerr.ClusterAuthorizationFailed, "no right to "+op.String()+" the cluster")
	case c.opts.Authorizer == nil:
		return errSecurityDisabled
	}
	return nil
}

func describeACLs(_ context.Context, c *call, req *kmsg.DescribeACLsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeACLsResponse)
	resp.Resources = []kmsg.DescribeACLsResponseResource{}
	filter := acl.Filter{
		Resource: acl.ResourceType(req.ResourceType), Name: req.ResourceName, Pattern: acl.PatternType(req.ResourcePatternType),
		Principal: req.Principal, Host: req.Host, Operation: acl.Operation(req.Operation), Permission: acl.Permission(req.PermissionType),
	}
	err := c.aclRight(acl.Describe)
	if err == nil {
		if fault := filter.Check(); fault != nil {
			err = refused(kerr.InvalidRequest, fault.Error())
		}
	}
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = refusal(err)
		return resp, nil
	}
	var last acl.Entry
	for e := range c.image().ACLs().Select(&filter) { // those of one pattern stand together
		if n := len(resp.Resources); n == 0 || last.Resource != e.Resource || last.Name != e.Name || last.Pattern != e.Pattern {
			r := kmsg.NewDescribeACLsResponseResource()
			r.ResourceType, r.ResourceName = kmsg.ACLResourceType(e.Resource), e.Name
			r.ResourcePatternType = kmsg.ACLResourcePatternType(e.Pattern)
			resp.Resources = append(resp.Resources, r)
		}
		a := kmsg.NewDescribeACLsResponseResourceACL()
		a.Principal, a.Host = e.Principal, e.Host
		a.Operation, a.PermissionType = kmsg.ACLOperation(e.Operation), kmsg.ACLPermissionType(e.Permission)
		r := &resp.Resources[len(resp.Resources)-1]
		r.ACLs = append(r.ACLs, a)
		last = e
	}
	return resp, nil
}
