package cli

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get asks an admin server, as host.
func get(t *testing.T, addr, path, host string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// adminAddr is where a server says that it can be watched.
func adminAddr(t *testing.T, b *background) string {
	t.Helper()
	const before = "metrics and health at http://"
	b.until(t, before)
	_, after, _ := strings.Cut(b.stderr.String(), before)
	addr, _, _ := strings.Cut(after, "\n")
	return addr
}

func TestServerIsWatched(t *testing.T) {
	s := start(t, "server", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	addr := adminAddr(t, s)
	for path, want := range map[string]string{
		"/livez": "ok", "/metrics": "kafka_topic_partition_current_offset{", "/": "/readyz",
	} {
		if status, body := get(t, addr, path, addr); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q: %.200s", path, status, want, body)
		}
	}
	// The coordinators may be reading their logs yet, and say so.
	status, body := get(t, addr, "/readyz", addr)
	for ; status == http.StatusServiceUnavailable; status, body = get(t, addr, "/readyz", addr) {
		if !strings.Contains(body, "coordinators are reading their logs") {
			t.Fatalf("not ready: %s", body)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if status != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := get(t, addr, "/metrics", "evil.example"); status != http.StatusForbidden {
		t.Errorf("a request for another name than this machine's: %d", status)
	}
	resp, err := http.Post("http://"+addr+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// TestNotReadyWhileStarting asks before the node is there, and after it has closed.
func TestNotReadyWhileStarting(t *testing.T) {
	f := adminFlags{listen: "127.0.0.1:0", given: func() bool { return true }}
	logger := (&app{term: newTerminal(io.Discard, io.Discard)}).logger()
	a, err := f.open(logger)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if status, body := get(t, a.addr(), "/readyz", a.addr()); status != http.StatusServiceUnavailable || body != "the node is starting\n" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(t, a.addr(), "/metrics", a.addr()); status != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("%d %.100s", status, body)
	}
	n, err := (&nodeFlags{listen: listenFlags{listen: []string{"none"}}, sync: "os", admin: adminFlags{listen: "none"}}).open(t.Context(), t.TempDir(), logger)
	if err != nil {
		t.Fatal(err)
	}
	a.show(n.Node)
	if err := n.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, a.addr(), "/readyz", a.addr()); status != http.StatusServiceUnavailable || !strings.Contains(body, "closing") {
		t.Errorf("after the node's end: %d %s", status, body)
	}
}

func TestAdminAddresses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for args, want := range map[string]string{
		"--admin-listen 0.0.0.0:0":                 "--admin-insecure",
		"--admin-listen :0":                        "--admin-insecure",
		"--admin-listen nonsense":                  "is not HOST:PORT",
		"--admin-listen " + taken.Addr().String():  "is in use: choose another address with --admin-listen",
		"--max-connections-of nonsense=3":          "write an IP address",
		"--admin-listen none --max-connections -1": "none can be negative",
	} {
		got := millrace(t, "", append([]string{"server", "--data", t.TempDir(), "--listen", "none"}, strings.Fields(args)...)...)
		if got.status == exitOK || !strings.Contains(got.stderr, want) {
			t.Errorf("server %s: status %d, %s", args, got.status, got.stderr)
		}
	}
}
