package cli

import (
	"fmt"
	"strings"
	"testing"
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

// TestRunWithFewRights runs a pipeline over a log that gives it nothing: it ends, and
// says with which commands it is given what it takes. They are all that it takes.
func TestRunWithFewRights(t *testing.T) {
	addr, dir := freeAddress(t), t.TempDir()
	serve := func(superUser string, do func()) {
		s := start(t, "server", "--data", dir, "--listen", addr, "--admin-listen", "none", "--authorize", "--super-user", superUser)
		s.until(t, "listening on")
		do()
		if status := s.stop(t); status != 0 {
			t.Fatalf("the server ended with %d:\n%s", status, s.stderr.String())
		}
	}
	path := file(t, "counts.yaml", fmt.Sprintf(countPipeline, 100))
	args := []string{"run", path, "--data", t.TempDir(), "--brokers", addr}
	for range 2 { // that a topic may be created is asked for once it may be known
		var commands []string
		serve("User:admin", func() {
			denied := millrace(t, "", args...)
			denied.want(t, 1, "pipeline counts lacks rights on the log")
			for line := range strings.Lines(denied.stderr) {
				if command, ok := strings.CutPrefix(strings.TrimSpace(line), "millrace "); ok && strings.HasPrefix(line, "  ") {
					commands = append(commands, command)
				}
			}
		})
		serve("User:ANONYMOUS", func() {
			for _, command := range commands {
				millrace(t, "", append(strings.Fields(command), "--brokers", addr)...).want(t, 0, "User:ANONYMOUS")
			}
		})
	}
	serve("User:admin", func() { millrace(t, "", args...).want(t, 0, "100 rows in") })
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
