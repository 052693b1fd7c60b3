package cli

import "testing"

// TestAUserForNobody: a user and a password were given for a listener without
// authentication, and the answer spoke of a wrong password.
func TestAUserForNobody(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	t.Setenv("MILLRACE_PASSWORD", "secret")
	millrace(t, "", "topic", "list", "--brokers", addr, "--user", "anna").want(t, 1, "asks for no user", "leave out --user")
}
