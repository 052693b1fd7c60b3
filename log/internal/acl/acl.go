// Package acl decides who may do what, with the semantics of Kafka's
// StandardAuthorizer: entries allow or deny operations to a principal, from a host, on
// a resource, and what is not allowed is denied.
//
//	index := acl.NewIndex(entries)
//	authorizer := acl.NewAuthorizer(acl.Policy{SuperUsers: []string{"User:admin"}})
//	alice := acl.Subject{Principal: "User:alice", Host: "10.0.0.7"}
//	if !authorizer.Allowed(index, alice, acl.Read, acl.Topic, "clicks") { ... }
//
// The package is pure: it keeps no state but what it is given, and knows neither the
// wire nor where entries are stored. It also says who a client's certificate is
// (PrincipalRules).
package acl

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// AnyName is the name of an entry that is about every resource of its type, and the
// host of one that is about every host.
const AnyName = "*"

// Everyone is the principal of an entry that is about every principal.
const Everyone = "User:*"

// maxTextBytes bounds a name, principal or host. Kafka has no limit; nobody's group
// is called like this.
const maxTextBytes = 4 << 10

// Entry is an access control entry on its resource pattern: Kafka's AclBinding. Two
// equal ones are one.
type Entry struct {
	Resource   ResourceType
	Name       string
	Pattern    PatternType // Literal or Prefixed
	Principal  string      // such as User:alice, or Everyone
	Host       string      // an IP address, or AnyName
	Operation  Operation
	Permission Permission
}

// Compare orders entries so that those of one resource pattern stand together.
func (e Entry) Compare(o Entry) int {
	return cmp.Or(cmp.Compare(e.Resource, o.Resource), cmp.Compare(e.Name, o.Name), cmp.Compare(e.Pattern, o.Pattern),
		cmp.Compare(e.Principal, o.Principal), cmp.Compare(e.Host, o.Host),
		cmp.Compare(e.Operation, o.Operation), cmp.Compare(e.Permission, o.Permission))
}

// Check says what keeps e from being an entry, in words for the client; nil if
// nothing does.
func (e Entry) Check() error {
	switch {
	case e.Resource < Topic || e.Resource > User:
		return fmt.Errorf("invalid resource type %s", e.Resource)
	case e.Pattern != Literal && e.Pattern != Prefixed:
		return fmt.Errorf("invalid pattern type %s: an entry is LITERAL or PREFIXED", e.Pattern)
	case e.Operation < AllOperations || e.Operation > TwoPhaseCommit:
		return fmt.Errorf("invalid operation %s", e.Operation)
	case e.Permission != Deny && e.Permission != Allow:
		return fmt.Errorf("invalid permission %s: an entry is ALLOW or DENY", e.Permission)
	case e.Resource == Cluster && e.Name != ClusterName:
		return fmt.Errorf("the only name of a CLUSTER resource is %s", ClusterName)
	case e.Name == "":
		return errors.New("the resource name is empty; * stands for every name")
	case e.Host == "":
		return errors.New("the host is empty; * stands for every host")
	case len(e.Name) > maxTextBytes || len(e.Principal) > maxTextBytes || len(e.Host) > maxTextBytes:
		return fmt.Errorf("a name, principal or host is longer than %d bytes", maxTextBytes)
	}
	return CheckPrincipal(e.Principal)
}

// CheckPrincipal says what keeps s from being a principal: a type, a colon and a name.
func CheckPrincipal(s string) error {
	kind, name, ok := strings.Cut(s, ":")
	if !ok || kind == "" || name == "" {
		return fmt.Errorf("%q is not a principal: write it as User:name", s)
	}
	return nil
}

// String shows an entry to a person.
func (e Entry) String() string {
	return fmt.Sprintf("%s %s %s from %s on %s %s %q", e.Principal, e.Permission, e.Operation, e.Host, e.Pattern, e.Resource, e.Name)
}
