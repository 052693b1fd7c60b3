package acl

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	bob   = Subject{"User:bob", "10.0.0.1"}
	alice = Subject{"User:alice", "10.0.0.2"}
)

// on is an entry about topics for everybody's host.
func on(principal string, p Permission, op Operation, pattern PatternType, name string) Entry {
	return Entry{Resource: Topic, Name: name, Pattern: pattern, Principal: principal, Host: AnyName, Operation: op, Permission: p}
}

// TestAuthorizer is what StandardAuthorizer does, case by case.
func TestAuthorizer(t *testing.T) {
	foo := func(p Permission, op Operation) Entry { return on("User:bob", p, op, Literal, "foo") }
	host := func(e Entry, h string) Entry { e.Host = h; return e }
	kind := func(e Entry, k ResourceType) Entry { e.Resource = k; return e }
	for _, c := range []struct {
		name    string
		entries []Entry
		subject Subject
		op      Operation
		topic   string
		want    bool
	}{
		{"nothing is said", nil, bob, Read, "foo", false},
		{"allowed", []Entry{foo(Allow, Read)}, bob, Read, "foo", true},
		{"another operation", []Entry{foo(Allow, Read)}, bob, Write, "foo", false},
		{"another name", []Entry{foo(Allow, Read)}, bob, Read, "foobar", false},
		{"a shorter name", []Entry{foo(Allow, Read)}, bob, Read, "fo", false},
		{"another principal", []Entry{foo(Allow, Read)}, alice, Read, "foo", false},
		{"another type of principal", []Entry{on("Group:bob", Allow, Read, Literal, "foo")}, bob, Read, "foo", false},
		{"another resource type", []Entry{kind(foo(Allow, Read), Group)}, bob, Read, "foo", false},
		{"everyone", []Entry{on(Everyone, Allow, Read, Literal, "foo")}, alice, Read, "foo", true},
		{"everyone but one", []Entry{on(Everyone, Allow, Read, Literal, "foo"), foo(Deny, Read)}, bob, Read, "foo", false},
		{"one but nobody", []Entry{on(Everyone, Deny, Read, Literal, "foo"), foo(Allow, Read)}, bob, Read, "foo", false},
		{"the host", []Entry{host(foo(Allow, Read), bob.Host)}, bob, Read, "foo", true},
		{"another host", []Entry{host(foo(Allow, Read), alice.Host)}, bob, Read, "foo", false},
		{"a host is denied", []Entry{foo(Allow, Read), host(foo(Deny, Read), bob.Host)}, bob, Read, "foo", false},
		{"another host is denied", []Entry{foo(Allow, Read), host(foo(Deny, Read), alice.Host)}, bob, Read, "foo", true},
		{"an address as Java writes it", []Entry{host(foo(Allow, Read), "0:0:0:0:0:0:0:1")}, Subject{"User:bob", "::1"}, Read, "foo", true},
		{"ALL allows", []Entry{foo(Allow, AllOperations)}, bob, AlterConfigs, "foo", true},
		{"ALL denies", []Entry{foo(Allow, Read), foo(Deny, AllOperations)}, bob, Read, "foo", false},

		{"READ implies DESCRIBE", []Entry{foo(Allow, Read)}, bob, Describe, "foo", true},
		{"WRITE implies DESCRIBE", []Entry{foo(Allow, Write)}, bob, Describe, "foo", true},
		{"DELETE implies DESCRIBE", []Entry{foo(Allow, Delete)}, bob, Describe, "foo", true},
		{"ALTER implies DESCRIBE", []Entry{foo(Allow, Alter)}, bob, Describe, "foo", true},
		{"CREATE does not", []Entry{foo(Allow, Create)}, bob, Describe, "foo", false},
		{"ALTER_CONFIGS does not", []Entry{foo(Allow, AlterConfigs)}, bob, Describe, "foo", false},
		{"DESCRIBE implies nothing", []Entry{foo(Allow, Describe)}, bob, Read, "foo", false},
		{"ALTER_CONFIGS implies DESCRIBE_CONFIGS", []Entry{foo(Allow, AlterConfigs)}, bob, DescribeConfigs, "foo", true},
		{"ALTER does not imply DESCRIBE_CONFIGS", []Entry{foo(Allow, Alter)}, bob, DescribeConfigs, "foo", false},
		{"DESCRIBE_CONFIGS does not imply ALTER_CONFIGS", []Entry{foo(Allow, DescribeConfigs)}, bob, AlterConfigs, "foo", false},
		{"denying READ does not deny DESCRIBE", []Entry{foo(Allow, Describe), foo(Deny, Read)}, bob, Describe, "foo", true},
		{"denying DESCRIBE denies what READ implies", []Entry{foo(Allow, Read), foo(Deny, Describe)}, bob, Describe, "foo", false},
		{"and not READ", []Entry{foo(Allow, Read), foo(Deny, Describe)}, bob, Read, "foo", true},

		{"a wildcard", []Entry{on("User:bob", Allow, Read, Literal, "*")}, bob, Read, "foo", true},
		{"a wildcard denies", []Entry{on("User:bob", Deny, Read, Literal, "*"), foo(Allow, Read)}, bob, Read, "foo", false},
		{"a literal one outweighs no wildcard", []Entry{on("User:bob", Allow, Read, Literal, "*"), foo(Deny, Read)}, bob, Read, "foo", false},
		{"a prefix", []Entry{on("User:bob", Allow, Read, Prefixed, "fo")}, bob, Read, "foo", true},
		{"a prefix as long as the name", []Entry{on("User:bob", Allow, Read, Prefixed, "foo")}, bob, Read, "foo", true},
		{"a longer prefix", []Entry{on("User:bob", Allow, Read, Prefixed, "foob")}, bob, Read, "foo", false},
		{"a prefix beside", []Entry{on("User:bob", Allow, Read, Prefixed, "fa")}, bob, Read, "foo", false},
		{"a prefix denies", []Entry{on("User:bob", Deny, Read, Prefixed, "f"), foo(Allow, Read)}, bob, Read, "foo", false},
		{"a short prefix behind longer ones", []Entry{
			on("User:bob", Allow, Read, Prefixed, "f"), on("User:bob", Allow, Write, Prefixed, "fo"),
			on("User:bob", Allow, Delete, Prefixed, "fa"), on("User:bob", Allow, Create, Prefixed, "fob"),
		}, bob, Read, "foo", true},
		{"a prefixed star is a character", []Entry{on("User:bob", Allow, Read, Prefixed, "*")}, bob, Read, "foo", false},
		{"which a name may have", []Entry{on("User:bob", Allow, Read, Prefixed, "*")}, bob, Read, "*foo", true},
		{"a super user", []Entry{on("User:root", Deny, AllOperations, Literal, "*")}, Subject{"User:root", "1.2.3.4"}, Delete, "foo", true},
		{"the trusted one", nil, Subject{"User:engine", "in-process"}, Delete, "foo", true},
		{"its name from elsewhere", nil, Subject{"User:engine", "1.2.3.4"}, Delete, "foo", false},
	} {
		a := NewAuthorizer(Policy{SuperUsers: []string{"User:root"}, Trusted: []Subject{{"User:engine", "in-process"}}})
		if got := a.Allowed(NewIndex(c.entries), c.subject, c.op, Topic, c.topic); got != c.want {
			t.Errorf("%s: %s %s %s is %v", c.name, c.subject.Principal, c.op, c.topic, got)
		}
	}
}

func TestAllowIfNoEntry(t *testing.T) {
	a := NewAuthorizer(Policy{AllowIfNoEntry: true})
	x := NewIndex([]Entry{
		on("User:alice", Allow, Read, Literal, "taken"),
		on("User:alice", Deny, Read, Prefixed, "closed-"),
	})
	for topic, want := range map[string]bool{"free": true, "taken": false, "closed-a": false, "closed": true} {
		if got := a.Allowed(x, bob, Write, Topic, topic); got != want {
			t.Errorf("%s is %v", topic, got)
		}
	}
	if !a.Allowed(x, alice, Read, Topic, "taken") || a.Allowed(x, alice, Write, Topic, "taken") {
		t.Error("entries do not count where there are some")
	}
	if !a.AllowedOnAny(x, bob, Write, Topic) {
		t.Error("a topic that nothing is said about is open")
	}
	if a.AllowedOnAny(NewIndex([]Entry{on("User:alice", Allow, Read, Literal, "*")}), bob, Write, Topic) {
		t.Error("no topic is left that nothing is said about")
	}
}

func TestAllowedOnAny(t *testing.T) {
	allow := func(pattern PatternType, name string) Entry { return on("User:bob", Allow, Write, pattern, name) }
	deny := func(pattern PatternType, name string) Entry { return on("User:bob", Deny, Write, pattern, name) }
	for _, c := range []struct {
		name    string
		entries []Entry
		want    bool
	}{
		{"nothing", nil, false},
		{"a name", []Entry{allow(Literal, "foo")}, true},
		{"a prefix", []Entry{allow(Prefixed, "foo")}, true},
		{"everything", []Entry{allow(Literal, "*")}, true},
		{"everybody", []Entry{on(Everyone, Allow, AllOperations, Literal, "foo")}, true},
		{"another operation", []Entry{on("User:bob", Allow, Read, Literal, "*")}, false},
		{"the name is denied", []Entry{allow(Literal, "foo"), deny(Literal, "foo")}, false},
		{"the name is denied to everybody", []Entry{allow(Literal, "foo"), on(Everyone, Deny, Write, Literal, "foo")}, false},
		{"another is denied", []Entry{allow(Literal, "foo"), deny(Literal, "bar")}, true},
		{"a prefix of the name is denied", []Entry{allow(Literal, "foo"), deny(Prefixed, "f")}, false},
		{"a prefix of the prefix is denied", []Entry{allow(Prefixed, "foo"), deny(Prefixed, "f")}, false},
		{"the prefix is denied", []Entry{allow(Prefixed, "foo"), deny(Prefixed, "foo")}, false},
		{"a part of the prefix is denied", []Entry{allow(Prefixed, "foo"), deny(Prefixed, "foob")}, true},
		{"a name with the prefix is denied", []Entry{allow(Prefixed, "foo"), deny(Literal, "foo")}, true},
		{"everything is denied", []Entry{allow(Literal, "*"), allow(Literal, "foo"), deny(Literal, "*")}, false},
		{"everything but something", []Entry{allow(Literal, "*"), deny(Prefixed, "f"), deny(Literal, "x")}, true},
	} {
		if got := NewAuthorizer(Policy{}).AllowedOnAny(NewIndex(c.entries), bob, Write, Topic); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	denied := NewIndex([]Entry{on(Everyone, Deny, AllOperations, Literal, "*")})
	if !NewAuthorizer(Policy{SuperUsers: []string{"User:bob"}}).AllowedOnAny(denied, bob, Write, Topic) {
		t.Error("a super user is denied something")
	}
}

func TestAdministrable(t *testing.T) {
	cluster := Entry{Cluster, ClusterName, Literal, "User:bob", AnyName, Alter, Allow}
	read := cluster
	read.Operation = Describe
	denied := cluster
	denied.Permission = Deny
	for _, c := range []struct {
		policy  Policy
		entries []Entry
		want    bool
	}{
		{Policy{}, nil, false},
		{Policy{SuperUsers: []string{"User:a"}}, nil, true},
		{Policy{Trusted: []Subject{{"User:engine", "in-process"}}}, nil, false},
		{Policy{AllowIfNoEntry: true}, nil, true},
		{Policy{}, []Entry{cluster}, true},
		{Policy{}, []Entry{read, denied}, false},
		{Policy{AllowIfNoEntry: true}, []Entry{read}, false},
	} {
		if got := NewAuthorizer(c.policy).Administrable(NewIndex(c.entries)); got != c.want {
			t.Errorf("%+v with %v: %v", c.policy, c.entries, got)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	err := (&Policy{SuperUsers: []string{"User:a", "b", "User:*", ":c"}}).Check()
	for _, want := range []string{`"b" is not a principal`, "nobody is called *", `":c" is not`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := (&Policy{SuperUsers: []string{"User:CN=a,O=b:c"}}).Check(); err != nil {
		t.Error(err)
	}
}

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")

// naive is the authorizer as the rules are told: entry by entry.
func naive(entries []Entry, s Subject, op Operation, kind ResourceType, name string) bool {
	allowed := false
	for _, e := range entries {
		covers := e.Pattern == Literal && (e.Name == name || e.Name == "*") || e.Pattern == Prefixed && strings.HasPrefix(name, e.Name)
		if e.Resource != kind || !covers || e.Principal != s.Principal && e.Principal != "User:*" || e.Host != "*" && e.Host != s.Host {
			continue
		}
		switch implied := op == Describe && slices.Contains([]Operation{Read, Write, Delete, Alter}, e.Operation) ||
			op == DescribeConfigs && e.Operation == AlterConfigs; {
		case e.Permission == Deny && (e.Operation == op || e.Operation == AllOperations):
			return false
		case e.Permission == Allow && (e.Operation == op || e.Operation == AllOperations || implied):
			allowed = true
		}
	}
	return allowed
}

// randomEntry draws from few names that are prefixes of each other.
func randomEntry(r *rand.Rand) Entry {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	e := Entry{
		Resource: Topic + ResourceType(r.IntN(2)), Name: randomName(r), Pattern: Literal + PatternType(r.IntN(2)),
		Principal: pick("User:a", "User:b", "User:*", "User:c"), Host: pick("*", "*", "1.1.1.1", "2.2.2.2"),
		Operation: AllOperations + Operation(r.IntN(14)), Permission: Deny + Permission(r.IntN(3)+1)/2,
	}
	if r.IntN(8) == 0 {
		e.Name, e.Pattern = "*", Literal
	}
	return e
}

func randomName(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(4))
	for i := range b {
		b[i] = "ab*"[r.IntN(3)]
	}
	return string(b)
}

func TestAuthorizerAgainstModel(t *testing.T) {
	t.Logf("seed %d (-seed)", *seed)
	r := rand.New(rand.NewPCG(*seed, 1))
	a := NewAuthorizer(Policy{})
	allowed := 0
	for range 2000 {
		entries := make([]Entry, r.IntN(12))
		for i := range entries {
			entries[i] = randomEntry(r)
		}
		x := NewIndex(slices.Clone(entries))
		for range 30 {
			s := Subject{"User:" + string("abcd"[r.IntN(4)]), fmt.Sprintf("%[1]d.%[1]d.%[1]d.%[1]d", 1+r.IntN(3))}
			op, kind, name := Read+Operation(r.IntN(13)), Topic+ResourceType(r.IntN(3)), randomName(r)
			got, want := a.Allowed(x, s, op, kind, name), naive(entries, s, op, kind, name)
			if got != want {
				t.Fatalf("%v may %s %s %q: %v, the model says %v with\n%v", s, op, kind, name, got, want, entries)
			}
			if got {
				allowed++
			}
		}
	}
	if allowed < 200 {
		t.Errorf("only %d of the questions were answered with yes", allowed)
	}
}

// naiveOnAny is KIP-679 as Kafka's interface documents it: what is allowed, less what is
// denied as a whole.
func naiveOnAny(entries []Entry, s Subject, op Operation, kind ResourceType) bool {
	var mine []Entry
	for _, e := range entries {
		if e.Resource == kind && (e.Principal == s.Principal || e.Principal == "User:*") && (e.Host == "*" || e.Host == s.Host) &&
			(e.Operation == op || e.Operation == AllOperations) {
			mine = append(mine, e)
		}
	}
	denied := func(name string, pattern PatternType) bool {
		return slices.ContainsFunc(mine, func(e Entry) bool {
			return e.Permission == Deny && (e.Pattern == Literal && (e.Name == "*" || pattern == Literal && e.Name == name) ||
				e.Pattern == Prefixed && name != "" && strings.HasPrefix(name, e.Name))
		})
	}
	return slices.ContainsFunc(mine, func(e Entry) bool {
		if e.Permission == Allow && e.Pattern == Literal && e.Name == "*" {
			return !denied("", UnknownPattern)
		}
		return e.Permission == Allow && !denied(e.Name, e.Pattern)
	})
}

func TestAllowedOnAnyAgainstModel(t *testing.T) {
	t.Logf("seed %d (-seed)", *seed)
	r := rand.New(rand.NewPCG(*seed, 2))
	a, answers := NewAuthorizer(Policy{}), map[bool]int{}
	for range 20_000 {
		entries := make([]Entry, r.IntN(8))
		for i := range entries {
			entries[i] = randomEntry(r)
			entries[i].Operation = []Operation{AllOperations, Write, Create}[r.IntN(3)]
		}
		s := Subject{"User:" + string("abcd"[r.IntN(4)]), "1.1.1.1"}
		got, want := a.AllowedOnAny(NewIndex(slices.Clone(entries)), s, Write, Topic), naiveOnAny(entries, s, Write, Topic)
		if got != want {
			t.Fatalf("%v may write to some topic: %v, the model says %v with\n%v", s, got, want, entries)
		}
		answers[got]++
	}
	if answers[true] < 1000 || answers[false] < 1000 {
		t.Errorf("the questions were too easy: %v", answers)
	}
}

func TestAllowedDoesNotAllocate(t *testing.T) {
	x, a := benchmarkIndex(), NewAuthorizer(Policy{SuperUsers: []string{"User:root"}})
	s := Subject{"User:u7", "10.0.0.7"}
	if n := testing.AllocsPerRun(100, func() { a.Allowed(x, s, Write, Topic, "team-7-clicks") }); n != 0 {
		t.Errorf("a check allocates %v times", n)
	}
}

// benchmarkIndex has 10 000 entries: 100 users, each with 50 names, 45 prefixes and some
// that are about everything or come from one host.
func benchmarkIndex() *Index {
	var entries []Entry
	for u := range 100 {
		principal := fmt.Sprintf("User:u%d", u)
		for i := range 50 {
			entries = append(entries, on(principal, Allow, Read, Literal, fmt.Sprintf("topic-%d-%d", u, i)))
		}
		for i := range 45 {
			entries = append(entries, on(principal, Allow, Write, Prefixed, fmt.Sprintf("team-%d-%d", (u+i)%100, i)))
		}
		for i := range 4 {
			e := on(principal, Deny, Delete, Literal, fmt.Sprintf("topic-%d-%d", u, i))
			e.Host = fmt.Sprintf("10.0.0.%d", i)
			entries = append(entries, e)
		}
		entries = append(entries, on(principal, Allow, Write, Prefixed, fmt.Sprintf("team-%d-", u)))
	}
	return NewIndex(entries)
}

func BenchmarkAllowed(b *testing.B) {
	x, a := benchmarkIndex(), NewAuthorizer(Policy{SuperUsers: []string{"User:root"}})
	for _, c := range []struct {
		name, principal, topic string
		op                     Operation
	}{
		{"literal", "User:u7", "topic-7-3", Read},
		{"prefix", "User:u7", "team-7-clicks", Write},
		{"denied", "User:u7", "topic-8-3", Read},
		{"stranger", "User:x", "topic-8-3", Read},
		{"super", "User:root", "topic-8-3", Read},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Allowed(x, Subject{c.principal, "10.0.0.7"}, c.op, Topic, c.topic)
			}
		})
	}
}

func BenchmarkNewIndex(b *testing.B) {
	entries := benchmarkIndex().entries
	for b.Loop() {
		NewIndex(entries)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(entries)), "ns/entry")
}
