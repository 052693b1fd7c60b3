package engine

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/millrace/millrace/log/client"
)

// guarded is a log that gives nobody any rights, as its administrator and as anna
// see it.
func guarded(t *testing.T) (admin, anna client.Cluster) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SleepOutOfOrder(), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "anna", "anna"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	as := func(user string) client.Cluster {
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.SASL(saslplain.Auth{User: user, Pass: user}.AsMechanism()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return client.FromKgo(cl)
	}
	return as("admin"), as("anna")
}

// grant does what the commands of RightsMissing do.
func grant(t *testing.T, admin client.Cluster, commands []string) {
	t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	for _, command := range commands {
		words := strings.Fields(strings.TrimPrefix(command, "millrace acl create "))
		var who, operations string
		for i := 0; i < len(words); i += 2 {
			switch flag, value := words[i], words[i+1]; flag {
			case "--allow":
				who = value
			case "--operation":
				operations = value
			default:
				kind, err := kmsg.ParseACLResourceType(strings.TrimPrefix(flag, "--"))
				if err != nil {
					t.Fatal(err)
				}
				for name := range strings.SplitSeq(operations, ",") {
					a := kmsg.NewCreateACLsRequestCreation()
					a.ResourceType, a.ResourceName, a.ResourcePatternType = kind, value, kmsg.ACLResourcePatternTypeLiteral
					a.Principal, a.Host, a.PermissionType = who, "*", kmsg.ACLPermissionTypeAllow
					if a.Operation, err = kmsg.ParseACLOperation(name); err != nil {
						t.Fatal(err)
					}
					req.Creations = append(req.Creations, a)
				}
			}
		}
	}
	resp, err := req.RequestWith(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resp.Results {
		if r.ErrorCode != 0 {
			t.Fatal(r)
		}
	}
}

// TestRightsMissing: a pipeline without rights used to try again for ever, with a
// warning that named one refusal after the other. It ends, and what it says is all
// that an administrator has to do.
func TestRightsMissing(t *testing.T) {
	admin, anna := guarded(t)
	src := &memSource{splits: rowsFor(6, 2, 300), step: 50}
	run := func() error {
		p, err := Open(Options{Graph: newTestGraph("guarded", src).graph, Cluster: anna, StateDir: t.TempDir(), Principal: "User:anna", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.Run(t.Context())
	}
	const create = "millrace acl create --allow User:anna --operation "
	for _, want := range [][]string{
		{
			create + "create,read,write --topic guarded.splits --topic guarded.changelog",
			create + "write --topic out",
			create + "read --group guarded",
			create + "write --transactional-id guarded/0",
		},
		{create + "create --topic out", create + "read --group guarded", create + "write --transactional-id guarded/0"},
	} {
		err := run()
		var missing *RightsMissing
		if !errors.As(err, &missing) || !errors.Is(err, client.ErrNotAuthorized) {
			t.Fatalf("the run ends with: %v", err)
		}
		if got := missing.Commands(); !slices.Equal(got, want) {
			t.Fatalf("it asks for\n%s\nnot for\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, command := range want {
			if !strings.Contains(err.Error(), "\n  "+command) {
				t.Errorf("%q is not in %v", command, err)
			}
		}
		grant(t, admin, missing.Commands())
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if got, want := readTopic(t, admin, "out"), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
}

// TestEachRightAlone: whatever single right is missing, the run ends and asks for
// that one.
func TestEachRightAlone(t *testing.T) {
	const create = "millrace acl create --allow User:anna --operation "
	all := []string{
		create + "create,write --topic out", create + "create,read,write --topic alone.splits",
		create + "create,read,write --topic alone.changelog", create + "read --group alone", create + "write --transactional-id alone/0",
	}
	for i, without := range all {
		admin, anna := guarded(t)
		grant(t, admin, slices.Delete(slices.Clone(all), i, i+1))
		p, err := Open(Options{Graph: newTestGraph("alone", &memSource{splits: rowsFor(6, 2, 300), step: 50}).graph, Cluster: anna, StateDir: t.TempDir(), Principal: "User:anna", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Run(t.Context())
		p.Close()
		var missing *RightsMissing
		if !errors.As(err, &missing) {
			t.Fatalf("without %s: %v", without, err)
		}
		kind := without[strings.LastIndex(without, " --"):]
		if !slices.ContainsFunc(missing.Commands(), func(c string) bool { return strings.HasSuffix(c, kind) }) {
			t.Errorf("without %s it asks for %s", without, missing.Commands())
		}
	}
}

// TestRightsTakenMeanwhile: a pipeline that has run waits for a right that somebody
// takes from it, and goes on with it.
func TestRightsTakenMeanwhile(t *testing.T) {
	admin, anna := guarded(t)
	const create = "millrace acl create --allow User:anna --operation "
	grant(t, admin, []string{
		create + "create,write --topic out", create + "create,read,write --topic taken.splits --topic taken.changelog",
		create + "read --group taken", create + "write --transactional-id taken/0",
	})
	src := &memSource{splits: rowsFor(6, 2, 2000), step: 20}
	g := newTestGraph("taken", src)
	p, err := Open(Options{Graph: g.graph, Cluster: anna, StateDir: t.TempDir(), Principal: "User:anna", Logger: slog.New(slog.DiscardHandler), Epoch: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var taken atomic.Bool
	given := false
	src.hold = func(row int) bool { return row >= 1000 && !taken.Load() }
	g.sums.onCommit = func(int) { // by Run's goroutine, between two epochs
		if !taken.Load() {
			defer taken.Store(true)
			req := kmsg.NewPtrDeleteACLsRequest()
			f := kmsg.NewDeleteACLsRequestFilter()
			f.ResourceType, f.ResourceName, f.ResourcePatternType = kmsg.ACLResourceTypeTopic, kmsg.StringPtr("out"), kmsg.ACLResourcePatternTypeLiteral
			f.Operation, f.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
			req.Filters = append(req.Filters, f)
			if _, err := req.RequestWith(t.Context(), admin); err != nil {
				t.Error(err)
			}
		}
	}
	src.gate = func(int, int) error {
		if p.aborts.load() > 0 && !given {
			given = true
			grant(t, admin, []string{create + "write --topic out"})
		}
		return nil
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Stats().Aborts == 0 {
		t.Error("nothing was refused: the test tests nothing")
	}
	if got, want := readTopic(t, admin, "out"), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("the topic differs: %d rows, want %d", len(got), len(want))
	}
}
