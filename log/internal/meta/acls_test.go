package meta

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/acl"
)

func readsTopics(principal, name string) acl.Entry {
	return acl.Entry{Resource: acl.Topic, Name: name, Pattern: acl.Literal, Principal: principal, Host: acl.AnyName,
		Operation: acl.Read, Permission: acl.Allow}
}

// aclEntry reads the words of a script; what is not said is READ on the topic for all
// hosts. NAME* is a prefix.
func aclEntry(args map[string]string) acl.Entry {
	e := readsTopics(args["who"], args["topic"])
	if name, ok := args["group"]; ok {
		e.Resource, e.Name = acl.Group, name
	}
	if prefix, ok := strings.CutSuffix(e.Name, "*"); ok && prefix != "" {
		e.Name, e.Pattern = prefix, acl.Prefixed
	}
	if _, ok := args["deny"]; ok {
		e.Permission = acl.Deny
	}
	if _, ok := args["anything"]; ok {
		e.Operation = acl.AnyOperation
	}
	return e
}

// aclFilter selects by what is said.
func aclFilter(args map[string]string) acl.Filter {
	f := acl.Filter{Resource: acl.AnyResource, Pattern: acl.Match, Operation: acl.AnyOperation, Permission: acl.AnyPermission}
	if who, ok := args["who"]; ok {
		f.Principal = &who
	}
	if name, ok := args["topic"]; ok {
		f.Resource, f.Name = acl.Topic, &name
	}
	if _, ok := args["nonsense"]; ok {
		f.Pattern = acl.UnknownPattern
	}
	return f
}

// TestACLsOfAnImage applies random additions and removals and holds the entries, the
// index and the snapshot against a map.
func TestACLsOfAnImage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	im, model := NewImage(), map[acl.Entry]ID{}
	for i := range 500 {
		e := readsTopics(fmt.Sprintf("User:%d", r.IntN(5)), fmt.Sprint(r.IntN(10)))
		id, there := model[e]
		record := &ACL{ID: id, Remove: true}
		if there {
			delete(model, e)
		} else {
			record = &ACL{ID: NewID(r), Entry: e}
			model[e] = record.ID
		}
		next, err := im.Apply(uint64(i+1), []Record{record})
		if err != nil {
			t.Fatal(err)
		}
		before := im.ACLs().Len()
		im = next
		if im.ACLs().Len() != len(model) || before == len(model) {
			t.Fatalf("%d entries after %d, %d are right", im.ACLs().Len(), before, len(model))
		}
		asked := readsTopics("User:0", "0")
		_, want := model[asked]
		got := acl.NewAuthorizer(acl.Policy{}).Allowed(im.ACLs(), acl.Subject{Principal: asked.Principal}, acl.Read, acl.Topic, asked.Name)
		if got != want {
			t.Fatalf("after %d changes it is %v that %v", i, got, asked)
		}
	}
	again, err := NewImage().Apply(im.Index(), im.Records())
	if err != nil || again.Fingerprint() != im.Fingerprint() {
		t.Fatalf("the snapshot makes another image: %v", err)
	}
}

func TestMetaACLs(t *testing.T) {
	m := openTest(t, vfs.NewMem())
	ctx := t.Context()
	a, b := readsTopics("User:ada", "a"), readsTopics("User:ada", "b")
	errs, err := m.CreateACLs(ctx, CreateACLs{Entries: []acl.Entry{a, b, a, {}}})
	if err != nil || errs[0] != nil || errs[1] != nil || errs[2] != nil || errs[3] == nil {
		t.Fatal(errs, err)
	}
	if m.Image().ACLs().Len() != 2 {
		t.Errorf("%d entries", m.Image().ACLs().Len())
	}
	all := acl.Filter{Resource: acl.AnyResource, Pattern: acl.AnyPattern, Operation: acl.AnyOperation, Permission: acl.AnyPermission}
	one := all
	one.Name = &b.Name
	deleted, err := m.DeleteACLs(ctx, DeleteACLs{Filters: []acl.Filter{one, {}, all}})
	if err != nil || deleted[1].Err == nil || !slices.Equal(deleted[0].Deleted, []acl.Entry{b}) || !slices.Equal(deleted[2].Deleted, []acl.Entry{a, b}) {
		t.Fatal(deleted, err)
	}
	if m.Image().ACLs().Len() != 0 {
		t.Errorf("%d entries are left", m.Image().ACLs().Len())
	}
}
