package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestACLs: created, listed, narrowed down, deleted. The caller is nobody with a
// name here and a super user, so that it may.
func TestACLs(t *testing.T) {
	addr := freeAddress(t)
	start(t, "server", "--data", t.TempDir(), "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", "User:ANONYMOUS").
		until(t, "listening on")
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }

	run("acl", "create", "--operation", "read", "--topic", "orders").want(t, 2, "--allow")
	run("acl", "create", "--allow", "User:anna", "--topic", "orders").want(t, 2, "--operation")
	run("acl", "create", "--allow", "User:anna", "--operation", "read").want(t, 2, "--topic")
	run("acl", "create", "--allow", "User:anna", "--operation", "dance", "--topic", "orders").want(t, 2, "dance")
	run("acl", "delete").want(t, 2, "--all")

	run("acl", "create", "--allow", "anna", "--operation", "read,describe", "--topic", "orders", "--group", "billing").
		want(t, 0, "User:anna", "orders", "billing", "READ", "DESCRIBE")
	run("acl", "create", "--deny", "User:*", "--deny-host", "10.0.0.9", "--operation", "all", "--topic", "shop-", "--pattern", "prefixed").want(t, 0, "DENY", "PREFIXED")
	list := func(args ...string) (acls []aclInfo) {
		t.Helper()
		o := run(append([]string{"acl", "list", "-o", "json"}, args...)...)
		if err := json.Unmarshal([]byte(o.stdout), &acls); err != nil {
			t.Fatalf("acl list %v: %v\n%s%s", args, err, o.stdout, o.stderr)
		}
		return acls
	}
	for want, args := range map[int][]string{
		5: nil,
		4: {"--allow", "User:anna"},
		1: {"--deny", "User:*"},
	} {
		if got := list(args...); len(got) != want {
			t.Errorf("acl list %v gives %d, want %d: %+v", args, len(got), want, got)
		}
	}
	if got := list("--topic", "shop-42", "--pattern", "match"); len(got) != 1 || got[0].Name != "shop-" || got[0].Host != "10.0.0.9" {
		t.Errorf("what is said about shop-42: %+v", got)
	}
	run("acl", "delete", "--group", "billing", "--dry-run").want(t, 0, "billing")
	run("acl", "delete", "--group", "billing").want(t, 0, "billing")
	if got := list(); len(got) != 3 {
		t.Errorf("after a delete: %+v", got)
	}
	run("acl", "delete", "--all").want(t, 0, "shop-")
	if o := run("acl", "list"); strings.Contains(o.stdout, "User:") {
		t.Errorf("after --all:\n%s", o.stdout)
	}
}

// TestACLsOfCertificates: the name of a certificate has commas, and `--allow` took it for
// a list: rights went to three users whom nobody knew, and anna had none.
func TestACLsOfCertificates(t *testing.T) {
	addr := freeAddress(t)
	start(t, "server", "--data", t.TempDir(), "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", "User:ANONYMOUS").
		until(t, "listening on")
	const anna = "User:CN=anna,OU=shop,O=Acme"
	o := millrace(t, "", "acl", "create", "--allow", anna, "--operation", "read", "--topic", "orders", "--group", "a,b", "-o", "json", "--brokers", addr)
	var acls []aclInfo
	if err := json.Unmarshal([]byte(o.stdout), &acls); err != nil || len(acls) != 2 {
		t.Fatalf("%v\n%s%s", err, o.stdout, o.stderr)
	}
	for _, a := range acls {
		if a.Principal != anna || a.Name != "orders" && a.Name != "a,b" {
			t.Errorf("%+v", a)
		}
	}
	millrace(t, "", "acl", "create", "--deny", "user:anna", "--operation", "read", "--topic", "orders", "--brokers", addr).
		want(t, 2, "--deny", "User:anna")
}

// TestACLsWithoutAuthorization: an ACL that nobody asks for would be a trap.
func TestACLsWithoutAuthorization(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "acl", "create", "--allow", "User:anna", "--operation", "read", "--topic", "x", "--brokers", addr).
		want(t, 1, "SECURITY_DISABLED")
}

func TestQuotas(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }
	run("quota", "set", "user/anna").want(t, 2, "at least one quota")
	run("quota", "set", "anna", "producer_byte_rate=1").want(t, 2, "user/NAME")
	run("quota", "set", "user/anna", "producer_byte_rate=much").want(t, 2, "QUOTA=NUMBER")
	run("quota", "set", "user/anna", "speed=1").want(t, 1, "speed")
	run("quota", "set", "user/anna", "producer_byte_rate=1048576", "consumer_byte_rate=2e6").want(t, 0, "user anna: 2 quotas set")
	run("quota", "set", "client-id", "request_percentage=50").want(t, 0, "client-id (default)")
	run("quota", "list").want(t, 0, "user anna", "producer_byte_rate", "1048576", "2000000", "client-id (default)")
	run("quota", "unset", "user/anna", "producer_byte_rate").want(t, 0, "1 quota removed")
	o := run("quota", "list", "-o", "json")
	var infos []quotaInfo
	if err := json.Unmarshal([]byte(o.stdout), &infos); err != nil || len(infos) != 2 {
		t.Fatalf("quota list -o json: %v\n%s%s", err, o.stdout, o.stderr)
	}
	if strings.Contains(o.stdout, "producer_byte_rate") {
		t.Errorf("a quota that was removed is listed:\n%s", o.stdout)
	}
}
