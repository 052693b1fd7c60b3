package log

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/broker"
)

var update = flag.Bool("update", false, "rewrite generated parts of documents")

// right is one operation on one resource.
type right struct {
	op   acl.Operation
	kind acl.ResourceType
	name string
}

func onTopic(op acl.Operation) right   { return right{op, acl.Topic, "orders"} }
func onGroup(op acl.Operation) right   { return right{op, acl.Group, "g"} }
func onTxn(op acl.Operation) right     { return right{op, acl.TransactionalID, "tx"} }
func onCluster(op acl.Operation) right { return right{op, acl.Cluster, acl.ClusterName} }

// need is what a request takes: one of these rights.
type need []right

// requirement is what a request takes in all. The table below is what Kafka's brokers
// check; docs/security.md shows it, and TestRights holds every row against a node.
type requirement struct {
	key   int16
	what  string // the case, if the key has several
	needs []need
	// also is what this row takes for granted, because another row is about it.
	also []right
	// refusal is the answer without the right, if it does not follow from the kind of
	// the first resource.
	refusal *kerr.Error
	// shows tells whether an answer has what a right lets see, where without it nothing
	// is refused but something left out.
	shows func(kmsg.Response) bool
	// omitted says what is left out.
	omitted string
	// request makes the request; its version is the highest that is served, or the one
	// that it has.
	request func(*rights) kmsg.Request
}

// withoutRights are the keys that everybody may use.
var withoutRights = map[int16]string{
	17: "SaslHandshake: it comes before anybody is known",
	18: "ApiVersions: it comes before anybody is known",
	36: "SaslAuthenticate: it is how somebody becomes known",
}

// rights is a node with authorization on, and who asks it.
type rights struct {
	t     *testing.T
	node  *Node
	users int
	topic [16]byte // of orders
}

// newRights makes the topic orders and the group g.
func newRights(t *testing.T) *rights {
	n, _ := newNode(t, func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:root"} })
	r := &rights{t: t, node: n}
	root := n.Session(SessionOptions{Principal: "User:root"})
	r.topic = create(t, root, "orders", 1)
	awaitCoordinator(t, root, "g")
	r.ask("User:root", commitRequest(r))
	return r
}

// ask has a principal send a request, in its own version or the highest.
func (r *rights) ask(principal string, req kmsg.Request) kmsg.Response {
	r.t.Helper()
	if req.GetVersion() == 0 {
		req.SetVersion(r.node.broker.MaxVersion(req.Key()))
	}
	caller := broker.Caller{ClientID: "test", Principal: principal, Host: "10.1.2.3", Listener: "test"}
	resp, err := r.node.broker.Do(within(r.t), &caller, req)
	if err != nil {
		r.t.Fatalf("%s as %s: %v", kmsg.NameForKey(req.Key()), principal, err)
	}
	return resp
}

// user is somebody with these rights and no other.
func (r *rights) user(granted ...right) string {
	r.t.Helper()
	r.users++
	name := fmt.Sprintf("User:u%d", r.users)
	r.grant(name, granted...)
	return name
}

// refusalOf is the error for whoever has no right on a resource.
func refusalOf(kind acl.ResourceType) *kerr.Error {
	return map[acl.ResourceType]*kerr.Error{
		acl.Topic: kerr.TopicAuthorizationFailed, acl.Group: kerr.GroupAuthorizationFailed,
		acl.Cluster: kerr.ClusterAuthorizationFailed, acl.TransactionalID: kerr.TransactionalIDAuthorizationFailed,
	}[kind]
}

// errorCodesOf counts the error codes of a response, 0 among them.
func errorCodesOf(resp kmsg.Response, found map[int16]int) { errorCodes(reflect.ValueOf(resp), found) }

// errorCodes are all error codes of a response, with how often each is there.
func errorCodes(v reflect.Value, found map[int16]int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			errorCodes(v.Elem(), found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			errorCodes(v.Index(i), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "ErrorCode" {
				found[int16(v.Field(i).Int())]++
			} else {
				errorCodes(v.Field(i), found)
			}
		}
	}
}

// denied is the first authorization error of a response, or nil.
func denied(resp kmsg.Response) *kerr.Error {
	found := map[int16]int{}
	errorCodesOf(resp, found)
	for _, e := range []*kerr.Error{kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed} {
		if found[e.Code] > 0 {
			return e
		}
	}
	return nil
}

// check asks as a user with some rights and tells of an answer that is not as it should be.
func (r *rights) check(q *requirement, granted []right, missing need) {
	r.t.Helper()
	resp := r.ask(r.user(append(append([]right{}, q.also...), granted...)...), q.request(r))
	got := denied(resp)
	if q.shows != nil {
		if shown := q.shows(resp); got != nil || shown != (missing == nil) {
			r.t.Errorf("%s %s with %v: shown is %v, error %v", kmsg.NameForKey(q.key), q.what, granted, shown, got)
		}
		return
	}
	var want *kerr.Error
	if missing != nil {
		if want = q.refusal; want == nil {
			want = refusalOf(missing[0].kind)
		}
	}
	if got != want {
		r.t.Errorf("%s %s with %v: got %v, want %v", kmsg.NameForKey(q.key), q.what, granted, got, want)
	}
}

// TestRights goes through the table: with all rights a request is not refused, without
// one of them it is, as the table says; and who may do everything is never refused.
func TestRights(t *testing.T) {
	r := newRights(t)
	for i := range requirements {
		q := &requirements[i]
		if r.node.broker.MaxVersion(q.key) < 0 {
			continue // TestEveryKeyHasRights tells of it
		}
		var all []right
		for _, n := range q.needs {
			all = append(all, n[0])
		}
		r.check(q, all, nil)
		for i, n := range q.needs {
			others := append(append([]right{}, all[:i]...), all[i+1:]...)
			r.check(q, others, n)
			for _, instead := range n[1:] {
				r.check(q, append(append([]right{}, others...), instead), nil)
			}
		}
		if got := denied(r.ask("User:root", q.request(r))); got != nil {
			t.Errorf("%s %s: a super user gets %v", kmsg.NameForKey(q.key), q.what, got)
		}
	}
}

// TestEveryKeyHasRights fails when a key is served that nobody thought of: it needs a row
// in the table, or a reason why it needs no rights.
func TestEveryKeyHasRights(t *testing.T) {
	known := map[int16]bool{}
	for _, q := range requirements {
		known[q.key] = true
	}
	for _, served := range broker.Ranges(1) {
		if _, free := withoutRights[served.Key]; known[served.Key] == free {
			t.Errorf("%s (%d): in the table of rights: %v, free for everybody: %v", kmsg.NameForKey(served.Key), served.Key, known[served.Key], free)
		}
		delete(known, served.Key)
	}
	for key := range known {
		t.Errorf("%s (%d) has rights but is not served", kmsg.NameForKey(key), key)
	}
}

// TestRightsAreDocumented holds the table of docs/security.md against this one.
func TestRightsAreDocumented(t *testing.T) {
	const file, begin, end = "../docs/security.md", "<!-- rights -->\n", "<!-- /rights -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	documented, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s and %s", file, begin, end)
	}
	want := rightsTable()
	if documented == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not show the rights as they are (-update writes them):\n%s", file, want)
	}
	if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rightsTable() string {
	var b strings.Builder
	b.WriteString("| key | request | needs | without it |\n|--:|---|---|---|\n")
	for _, q := range requirements {
		what, without := kmsg.NameForKey(q.key), q.omitted
		if q.what != "" {
			what += ": " + q.what
		}
		var needs, refusals []string
		for _, n := range q.needs {
			var alternatives []string
			for _, a := range n {
				alternatives = append(alternatives, fmt.Sprintf("%s on %s", a.op, a.kind))
			}
			needs = append(needs, strings.Join(alternatives, " or "))
			refusal := q.refusal
			if refusal == nil {
				refusal = refusalOf(n[0].kind)
			}
			refusals = append(refusals, refusal.Message)
		}
		if without == "" {
			without = strings.Join(compact(refusals), ", ")
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", q.key, what, strings.Join(needs, ", and "), without)
	}
	return b.String()
}

func compact(list []string) []string {
	var once []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			once = append(once, s)
		}
		seen[s] = true
	}
	return once
}
