package acl

import (
	"errors"
	"fmt"
	"strings"
)

// Subject is who asks.
type Subject struct {
	Principal string // such as User:alice
	Host      string // an IP address, as netip writes it
}

// Policy is what holds beside entries.
type Policy struct {
	// SuperUsers are principals who may do everything, whatever entries say.
	SuperUsers []string
	// AllowIfNoEntry lets everybody do everything to a resource that no entry at all is
	// about (Kafka's allow.everyone.if.no.acl.found).
	AllowIfNoEntry bool
	// Trusted are subjects who may do everything when they come from their host, and are
	// nobody special from another. It is for the process itself.
	Trusted []Subject
}

// Check reports every fault of p at once; nil if there is none.
func (p *Policy) Check() error {
	var faults []error
	for _, s := range p.SuperUsers {
		if err := CheckPrincipal(s); err != nil {
			faults = append(faults, fmt.Errorf("super user: %w", err))
		} else if name, ok := strings.CutPrefix(s, "User:"); !ok {
			faults = append(faults, fmt.Errorf("super user %q: nobody has this type of principal: write it as User:name", s))
		} else if name == "*" {
			faults = append(faults, fmt.Errorf("super user %s: nobody is called *; to let everybody do everything leave authorization off", s))
		}
	}
	return errors.Join(faults...)
}

// Authorizer applies a Policy and the entries of an Index. It is immutable and may be
// used concurrently.
type Authorizer struct {
	super          map[string]bool
	trusted        map[Subject]bool
	allowIfNoEntry bool
}

// NewAuthorizer returns an Authorizer of a policy that has passed its Check.
func NewAuthorizer(p Policy) *Authorizer {
	a := &Authorizer{super: map[string]bool{}, trusted: map[Subject]bool{}, allowIfNoEntry: p.AllowIfNoEntry}
	for _, s := range p.SuperUsers {
		a.super[s] = true
	}
	for _, s := range p.Trusted {
		a.trusted[s] = true
	}
	return a
}

// Rights are all operations that a subject may do to the resource of that type and
// name. One entry that denies outweighs all that allow.
func (a *Authorizer) Rights(x *Index, s Subject, kind ResourceType, name string) Rights {
	if a.mayEverything(s) {
		return everything
	}
	var m masks
	x.principals[s.Principal].says(&m, s.Host, kind, name)
	if x.everyone != nil {
		x.everyone.says(&m, s.Host, kind, name)
	}
	if a.allowIfNoEntry && !x.covers(kind, name) {
		return everything
	}
	return m.allow &^ m.deny
}

// Allowed tells whether a subject may do op to the resource of that type and name.
func (a *Authorizer) Allowed(x *Index, s Subject, op Operation, kind ResourceType, name string) bool {
	return a.Rights(x, s, kind, name).Has(op)
}

// AllowedOnAny tells whether a subject may do op to at least one resource of a type, be
// there such a resource or not (KIP-679). Rights that another operation implies do not
// count.
func (a *Authorizer) AllowedOnAny(x *Index, s Subject, op Operation, kind ResourceType) bool {
	if a.mayEverything(s) || a.allowIfNoEntry && !x.covers(kind, "") {
		return true
	}
	own, everyone := x.principals[s.Principal].of(kind), x.everyone.of(kind)
	sets := []*rules{own, everyone}
	d := denials{host: s.Host, op: op, sets: sets}
	if d.wildcard() {
		return false
	}
	for _, r := range sets {
		if r != nil && (r.wildcard != nil && r.wildcard.to(s.Host).allow.Has(op) || r.allowsOne(&d)) {
			return true
		}
	}
	return false
}

// Administrable tells whether somebody could change entries: whether one allows to
// alter the cluster, or there is a super user.
func (a *Authorizer) Administrable(x *Index) bool {
	if len(a.super) > 0 || a.allowIfNoEntry && !x.covers(Cluster, ClusterName) {
		return true
	}
	for _, e := range x.entries {
		if e.Resource == Cluster && e.Permission == Allow && granted(e.Operation).Has(Alter) {
			return true
		}
	}
	return false
}

func (a *Authorizer) mayEverything(s Subject) bool { return a.super[s.Principal] || a.trusted[s] }

// covers tells whether any entry is about a resource.
func (x *Index) covers(kind ResourceType, name string) bool {
	var m masks
	x.resources.says(&m, "", kind, name)
	return m.found
}

func (t *byType) of(kind ResourceType) *rules {
	if t == nil || kind < 0 || kind > User {
		return nil
	}
	return t[kind]
}

// denials are what is denied to a subject, of one operation and type of resource.
type denials struct {
	host string
	op   Operation
	sets []*rules
}

func (d *denials) denies(n *node) bool { return n != nil && n.to(d.host).deny.Has(d.op) }

func (d *denials) wildcard() bool {
	for _, r := range d.sets {
		if r != nil && d.denies(r.wildcard) {
			return true
		}
	}
	return false
}

// prefix tells whether something is denied that name begins with.
func (d *denials) prefix(name string) bool {
	for _, r := range d.sets {
		if r == nil {
			continue
		}
		for i := r.longest(name); i >= 0; i = r.prefixes[i].shorter {
			if d.denies(r.prefixes[i].node) {
				return true
			}
		}
	}
	return false
}

func (d *denials) literal(name string) bool {
	for _, r := range d.sets {
		if r != nil && d.denies(r.literal[name]) {
			return true
		}
	}
	return false
}

// allowsOne tells whether r allows a name, or a prefix of names, that is not denied as
// a whole.
func (r *rules) allowsOne(d *denials) bool {
	for name, n := range r.literal {
		if n.to(d.host).allow.Has(d.op) && !d.literal(name) && !d.prefix(name) {
			return true
		}
	}
	for i := range r.prefixes {
		p := &r.prefixes[i]
		if p.node.to(d.host).allow.Has(d.op) && !d.prefix(p.name) {
			return true
		}
	}
	return false
}
