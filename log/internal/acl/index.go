package acl

import (
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Index answers what entries say about a subject and a resource. It is immutable and
// may be used concurrently; a change of the entries makes a new one.
//
// Every partition of every Produce and Fetch asks. Walking all entries costs as much
// as there are of them, and a set of all entries sorted by resource, as Kafka has it,
// still walks those of every other principal on the resource. Here a check looks at
// what concerns it alone:
//
//	principal -> resource type -> literal name   a map
//	                           -> *              one node
//	                           -> prefixes       sorted, each with a link to a shorter one
//
// and a node holds, for each host, the operations that are allowed and denied as bits,
// implied ones included. So one walk finds all rights at once, which is also what
// clients ask for as "authorized operations".
//
// Invariants:
//
//  1. A check allocates nothing and takes no lock.
//  2. Prefixes are sorted bytewise. The greatest one that is not above a name is
//     the end of a chain of links on which every prefix of the name lies: for a
//     prefix p of the name, p <= greatest <= name, so the greatest begins with p.
type Index struct {
	entries    []Entry
	principals map[string]*byType
	everyone   *byType // of the principal Everyone; nil if it has no entry
	resources  *byType // what any entry at all is about
}

// byType are rules by resource type, nil where there is none.
type byType [User + 1]*rules

// rules are what is said to one principal about resources of one type.
type rules struct {
	literal  map[string]*node
	wildcard *node // nil if there is none
	prefixes []prefix
}

type prefix struct {
	name string
	node *node
	// shorter is the longest prefix of the list that is a proper prefix of this one;
	// -1 if there is none.
	shorter int
}

// node is one resource pattern.
type node struct {
	anyHost masks
	hosts   []hostMasks
}

type hostMasks struct {
	host string
	masks
}

// masks are operations, as bits. found tells of an entry, whatever it says.
type masks struct {
	allow, deny Rights
	found       bool
}

// NewIndex builds the index of entries that have passed their Check. It costs about
// a microsecond for each, and takes the slice: do not change it afterwards.
func NewIndex(entries []Entry) *Index {
	slices.SortFunc(entries, Entry.Compare)
	x := &Index{entries: entries, principals: map[string]*byType{}, resources: new(byType)}
	for _, e := range entries {
		t := x.principals[e.Principal]
		if t == nil {
			t = new(byType)
			x.principals[e.Principal] = t
		}
		t.node(e).add(e)
		x.resources.node(e).anyHost.found = true
	}
	x.everyone = x.principals[Everyone]
	return x
}

// Len is the number of entries.
func (x *Index) Len() int { return len(x.entries) }

// Select calls yield with the entries that f selects, in order, until it returns
// false.
func (x *Index) Select(f *Filter) func(yield func(Entry) bool) {
	return func(yield func(Entry) bool) {
		for _, e := range x.entries {
			if f.Matches(e) && !yield(e) {
				return
			}
		}
	}
}

// node finds or makes the node of an entry's pattern. Entries come in order.
func (t *byType) node(e Entry) *node {
	r := t[e.Resource]
	if r == nil {
		r = &rules{literal: map[string]*node{}}
		t[e.Resource] = r
	}
	if e.Pattern == Prefixed {
		if last := len(r.prefixes) - 1; last < 0 || r.prefixes[last].name != e.Name {
			r.prefixes = append(r.prefixes, prefix{name: e.Name, node: new(node), shorter: r.prefixOf(last, e.Name)})
		}
		return r.prefixes[len(r.prefixes)-1].node
	}
	if e.Name == AnyName {
		if r.wildcard == nil {
			r.wildcard = new(node)
		}
		return r.wildcard
	}
	if r.literal[e.Name] == nil {
		r.literal[e.Name] = new(node)
	}
	return r.literal[e.Name]
}

func (n *node) add(e Entry) {
	m := &n.anyHost
	if e.Host != AnyName {
		m = n.of(canonicalHost(e.Host))
	}
	m.found = true
	if e.Permission == Allow {
		m.allow |= granted(e.Operation)
	} else {
		m.deny |= refused(e.Operation)
	}
}

// of finds or makes what n says to a host.
func (n *node) of(host string) *masks {
	i := slices.IndexFunc(n.hosts, func(h hostMasks) bool { return h.host == host })
	if i < 0 {
		i = len(n.hosts)
		n.hosts = append(n.hosts, hostMasks{host: host})
	}
	return &n.hosts[i].masks
}

// canonicalHost writes an address as Go does: Java's 0:0:0:0:0:0:0:1 is ::1.
func canonicalHost(host string) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	return host
}

// to is what n says to a host.
func (n *node) to(host string) masks {
	m := n.anyHost
	for i := range n.hosts {
		if n.hosts[i].host == host {
			m.add(n.hosts[i].masks)
		}
	}
	return m
}

func (m *masks) add(o masks) {
	m.allow |= o.allow
	m.deny |= o.deny
	m.found = m.found || o.found
}

// says adds what t says to a host about a resource.
func (t *byType) says(m *masks, host string, kind ResourceType, name string) {
	if t == nil || kind < 0 || kind > User || t[kind] == nil {
		return
	}
	r := t[kind]
	if n := r.literal[name]; n != nil {
		m.add(n.to(host))
	}
	if r.wildcard != nil {
		m.add(r.wildcard.to(host))
	}
	for i := r.longest(name); i >= 0; i = r.prefixes[i].shorter {
		m.add(r.prefixes[i].node.to(host))
	}
}

// longest is the longest of the prefixes that name begins with, or -1.
func (r *rules) longest(name string) int {
	above := sort.Search(len(r.prefixes), func(i int) bool { return r.prefixes[i].name > name })
	return r.prefixOf(above-1, name)
}

// prefixOf is the first one on the chain from i that name begins with, or -1.
func (r *rules) prefixOf(i int, name string) int {
	for i >= 0 && !strings.HasPrefix(name, r.prefixes[i].name) {
		i = r.prefixes[i].shorter
	}
	return i
}
