package acl

import (
	"slices"
	"strings"
	"testing"
)

// TestFilterPatterns is what Kafka's ResourcePatternFilter selects.
func TestFilterPatterns(t *testing.T) {
	x := NewIndex([]Entry{
		on("User:a", Allow, Read, Literal, "foo"), on("User:a", Allow, Read, Literal, "*"),
		on("User:a", Allow, Read, Prefixed, "foo"), on("User:a", Allow, Read, Prefixed, "f"),
		on("User:a", Allow, Read, Literal, "foobar"), on("User:a", Allow, Read, Prefixed, "bar"),
	})
	for _, c := range []struct {
		pattern PatternType
		name    string // "" is none
		want    string
	}{
		{AnyPattern, "", "LITERAL * PREFIXED bar PREFIXED f LITERAL foo PREFIXED foo LITERAL foobar"},
		{Match, "", "LITERAL * PREFIXED bar PREFIXED f LITERAL foo PREFIXED foo LITERAL foobar"},
		{Literal, "", "LITERAL * LITERAL foo LITERAL foobar"},
		{Prefixed, "", "PREFIXED bar PREFIXED f PREFIXED foo"},
		{AnyPattern, "foo", "LITERAL foo PREFIXED foo"},
		{Literal, "foo", "LITERAL foo"},
		{Prefixed, "foo", "PREFIXED foo"},
		{Match, "foo", "LITERAL * PREFIXED f LITERAL foo PREFIXED foo"},
		{Match, "foobar", "LITERAL * PREFIXED f PREFIXED foo LITERAL foobar"},
		{Match, "x", "LITERAL *"},
		{Match, "*", "LITERAL *"},
		{Literal, "*", "LITERAL *"},
		{AnyPattern, "x", ""},
	} {
		f := &Filter{Resource: Topic, Pattern: c.pattern, Operation: AnyOperation, Permission: AnyPermission}
		if c.name != "" {
			f.Name = &c.name
		}
		var got []string
		for e := range x.Select(f) {
			got = append(got, e.Pattern.String()+" "+e.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %q selects %v, want %s", c.pattern, c.name, got, c.want)
		}
	}
}

func TestFilterFields(t *testing.T) {
	e := Entry{Group, "g", Literal, "User:a", "1.2.3.4", Read, Deny}
	all := Filter{Resource: AnyResource, Pattern: AnyPattern, Operation: AnyOperation, Permission: AnyPermission}
	change := func(f func(*Filter)) Filter { x := all; f(&x); return x }
	for _, c := range []struct {
		filter Filter
		want   bool
	}{
		{all, true},
		{change(func(f *Filter) { f.Resource = Group }), true},
		{change(func(f *Filter) { f.Resource = Topic }), false},
		{change(func(f *Filter) { f.Principal = new("User:a") }), true},
		{change(func(f *Filter) { f.Principal = new("User:*") }), false},
		{change(func(f *Filter) { f.Host = new("1.2.3.4") }), true},
		{change(func(f *Filter) { f.Host = new("*") }), false},
		{change(func(f *Filter) { f.Operation = Read }), true},
		{change(func(f *Filter) { f.Operation = AllOperations }), false},
		{change(func(f *Filter) { f.Permission = Deny }), true},
		{change(func(f *Filter) { f.Permission = Allow }), false},
		{change(func(f *Filter) { f.Name = new("") }), false},
	} {
		if err := c.filter.Check(); err != nil {
			t.Error(err)
		}
		if got := c.filter.Matches(e); got != c.want {
			t.Errorf("%+v: %v", c.filter, got)
		}
	}
}

func TestChecks(t *testing.T) {
	good := Entry{Topic, "foo", Prefixed, "User:a", "*", Read, Allow}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Entry){
		"invalid resource type ANY":        func(e *Entry) { e.Resource = AnyResource },
		"invalid resource type resource 8": func(e *Entry) { e.Resource = 8 },
		"invalid pattern type MATCH":       func(e *Entry) { e.Pattern = Match },
		"invalid operation ANY":            func(e *Entry) { e.Operation = AnyOperation },
		"invalid operation operation 99":   func(e *Entry) { e.Operation = 99 },
		"invalid permission UNKNOWN":       func(e *Entry) { e.Permission = 0 },
		"resource name is empty":           func(e *Entry) { e.Name = "" },
		"host is empty":                    func(e *Entry) { e.Host = "" },
		`"a" is not a principal`:           func(e *Entry) { e.Principal = "a" },
		`"User:" is not a principal`:       func(e *Entry) { e.Principal = "User:" },
		"only name of a CLUSTER resource":  func(e *Entry) { e.Resource = Cluster },
		"longer than 4096 bytes":           func(e *Entry) { e.Name = strings.Repeat("x", 4097) },
	} {
		e := good
		spoil(&e)
		if err := e.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", e, err, want)
		}
	}
	for want, f := range map[string]Filter{
		"resource type UNKNOWN": {0, nil, AnyPattern, nil, nil, AnyOperation, AnyPermission},
		"pattern type UNKNOWN":  {AnyResource, nil, 0, nil, nil, AnyOperation, AnyPermission},
		"operation UNKNOWN":     {AnyResource, nil, AnyPattern, nil, nil, 0, AnyPermission},
		"permission UNKNOWN":    {AnyResource, nil, AnyPattern, nil, nil, AnyOperation, 0},
	} {
		if err := f.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
}

// TestIndexSelectsInOrder: a pattern's entries stand together, as a response lists them.
func TestIndexSelectsInOrder(t *testing.T) {
	x := NewIndex([]Entry{on("User:b", Allow, Read, Literal, "z"), on("User:a", Allow, Read, Literal, "z"), on("User:c", Deny, Write, Prefixed, "a")})
	all := &Filter{Resource: AnyResource, Pattern: AnyPattern, Operation: AnyOperation, Permission: AnyPermission}
	got := slices.Collect(x.Select(all))
	if len(got) != x.Len() || !slices.IsSortedFunc(got, Entry.Compare) {
		t.Errorf("got %v", got)
	}
}
