package cli

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	millog "github.com/millrace/millrace/log"
)

// TestRunWithAuthorization: the engine may use the log in its own process, whoever else
// may.
func TestRunWithAuthorization(t *testing.T) {
	path := file(t, "counts.yaml", fmt.Sprintf(countPipeline, 100))
	args := []string{"run", path, "--data", t.TempDir(), "--listen", "none", "--authorize"}
	millrace(t, "", args...).want(t, 1, "nobody could give rights", "--super-user")
	millrace(t, "", append(args, "--super-user", "User:admin")...).want(t, 0)
	millrace(t, "", "run", path, "--data", t.TempDir(), "--listen", "none", "--super-user", "User:admin").want(t, 1, "Authorize is not")
}

// TestRunWithFewRights runs a pipeline over a log that gives it what docs/security.md says
// that it takes, and no more. Without that it says what is denied, and goes on once the
// rights are there.
func TestRunWithFewRights(t *testing.T) {
	node, err := millog.Open(t.Context(), millog.Options{
		DataDir: filepath.Join(t.TempDir(), "log"), Authorize: true, SuperUsers: []string{"User:root"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := node.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(t.Context()) }()
	t.Cleanup(func() {
		if err := node.Close(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
	})
	b := start(t, "run", file(t, "counts.yaml", fmt.Sprintf(countPipeline, 100)), "--data", t.TempDir(), "--brokers", l.Addr())
	b.until(t, "TOPIC_AUTHORIZATION_FAILED")
	grant := kmsg.NewPtrCreateACLsRequest()
	for kind, ops := range map[kmsg.ACLResourceType][]kmsg.ACLOperation{
		kmsg.ACLResourceTypeTopic:           {kmsg.ACLOperationCreate, kmsg.ACLOperationRead, kmsg.ACLOperationWrite},
		kmsg.ACLResourceTypeGroup:           {kmsg.ACLOperationRead},
		kmsg.ACLResourceTypeTransactionalId: {kmsg.ACLOperationWrite},
	} {
		for _, op := range ops {
			c := kmsg.NewCreateACLsRequestCreation()
			c.ResourceType, c.ResourceName, c.ResourcePatternType = kind, "counts", kmsg.ACLResourcePatternTypePrefixed
			c.Principal, c.Host, c.Operation, c.PermissionType = "User:ANONYMOUS", "*", op, kmsg.ACLPermissionTypeAllow
			grant.Creations = append(grant.Creations, c)
		}
	}
	resp, err := grant.RequestWith(t.Context(), node.Session(millog.SessionOptions{Principal: "User:root"}))
	if err != nil || resp.Results[0].ErrorCode != 0 {
		t.Fatal(resp, err)
	}
	if status := b.status(t); status != 0 || !strings.Contains(b.stderr.String(), "100 rows in") {
		t.Errorf("it ends with %d:\n%s", status, b.stderr.String())
	}
}

// TestTopicWithoutItsConfigs: whoever may read a topic, and no more, was told nothing of it
// because its settings were denied.
func TestTopicWithoutItsConfigs(t *testing.T) {
	addr := freeAddress(t)
	dir := t.TempDir()
	admin := start(t, "server", "--data", dir, "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", "User:ANONYMOUS")
	admin.until(t, "listening on")
	millrace(t, "", "topic", "create", "orders", "--brokers", addr).want(t, 0)
	millrace(t, "", "acl", "create", "--allow", "User:ANONYMOUS", "--operation", "read", "--topic", "orders", "--brokers", addr).want(t, 0)
	if status := admin.stop(t); status != 0 {
		t.Fatalf("the first server ended with %d", status)
	}
	start(t, "server", "--data", dir, "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", "User:admin").
		until(t, "listening on")
	millrace(t, "", "topic", "describe", "orders", "--brokers", addr).want(t, 0, "PARTITION", "DESCRIBE_CONFIGS")
	millrace(t, "", "topic", "describe", "orders", "-o", "json", "--brokers", addr).want(t, 0, `"hidden_configs": true`)
}
