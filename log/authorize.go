package log

import (
	"errors"

	"github.com/millrace/millrace/log/internal/acl"
)

// EnginePrincipal is who an engine in the same process acts as. With authorization on
// it may do everything, if it really is in this process: a client of that name that
// comes over the network has no rights but those that ACLs give it.
const EnginePrincipal = "User:millrace-engine"

// inProcess is the host of Sessions. No address looks like it.
const inProcess = "in-process"

// policy is what holds beside ACLs.
func (o *Options) policy() acl.Policy {
	return acl.Policy{
		SuperUsers:     o.SuperUsers,
		AllowIfNoEntry: o.AllowIfNoACL,
		Trusted:        []acl.Subject{{Principal: EnginePrincipal, Host: inProcess}},
	}
}

var errNobodyAdministrates = errors.New("authorization is on, but nobody could give rights to anybody: " +
	"there is no super user, and no ACL allows ALTER on the cluster; name a super user (Options.SuperUsers, --super-user User:NAME)")

// authorizer decides who may do what; nil lets everybody do everything.
func (n *Node) authorizer() (*acl.Authorizer, error) {
	if !n.opts.Authorize {
		return nil, nil
	}
	a := acl.NewAuthorizer(n.opts.policy())
	if !a.Administrable(n.meta.Image().ACLs()) {
		return nil, errNobodyAdministrates
	}
	return a, nil
}
