package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestUsers: the first user makes another, who comes in with the password that was
// printed, gets one of his own, and is deleted.
func TestUsers(t *testing.T) {
	certs := filepath.Join(t.TempDir(), "certs")
	millrace(t, "", "cert", "init", "--dir", certs).want(t, 0)
	ca := filepath.Join(certs, "ca.pem")
	addr := freeAddress(t)
	admin := file(t, "admin", "first-secret\n")
	start(t, "server", "--data", t.TempDir(), "--admin-listen", "none", "--listen", "sasl_ssl://"+addr,
		"--tls-cert", filepath.Join(certs, "server.pem"), "--tls-key", filepath.Join(certs, "server.key"),
		"--first-user", "admin", "--first-user-password-file", admin).until(t, "listening on")
	as := func(user, passwordFile string, args ...string) outcome {
		t.Helper()
		return millrace(t, "", append(args, "--brokers", addr, "--tls-ca", ca, "--user", user, "--password-file", passwordFile)...)
	}

	o := as("admin", admin, "user", "create", "anna")
	o.want(t, 0, "created user anna", "password ")
	_, printed, _ := strings.Cut(o.stdout, "password ")
	first := file(t, "first", printed)
	as("anna", first, "topic", "list").want(t, 0)
	as("anna", first, "topic", "list", "--sasl-mechanism", "PLAIN").want(t, 0)
	as("admin", admin, "user", "create", "anna").want(t, 1, "already")
	as("admin", admin, "user", "password", "berta").want(t, 1, "no user berta")
	as("admin", admin, "user", "list").want(t, 0, "admin", "anna", "SCRAM-SHA-256, SCRAM-SHA-512")

	second := file(t, "second", "changed\n")
	o = as("admin", admin, "user", "password", "anna", "--new-password-file", second, "--mechanism", "scram-sha-256")
	o.want(t, 0, "set the password")
	if strings.Contains(o.stdout, "changed") {
		t.Error("a password that was given is printed")
	}
	as("anna", second, "topic", "list", "--sasl-mechanism", "SCRAM-SHA-256").want(t, 0)
	as("anna", file(t, "wrong", "x"), "topic", "list").want(t, 1, "check --user")
	as("admin", admin, "user", "create", "x", "--mechanism", "MD5").want(t, 2, "MD5", "SCRAM-SHA-256 or SCRAM-SHA-512")
	as("admin", admin, "user", "delete", "anna", "berta").want(t, 1, "no user berta")
	as("admin", admin, "user", "delete", "anna").want(t, 0, "deleted anna")
	as("anna", second, "topic", "list", "--sasl-mechanism", "SCRAM-SHA-256").want(t, 1, "check --user")
}
