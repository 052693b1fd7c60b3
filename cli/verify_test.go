package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/log"
)

// TestLogVerify: a bit changes on the disk of a stopped node, and a person is told
// where, and what to do.
func TestLogVerify(t *testing.T) {
	dir := t.TempDir()
	addr, node := server(t, dir)
	millrace(t, "", "topic", "create", "orders", "--brokers", addr).want(t, 0)
	millrace(t, "apples\npears\n", "produce", "orders", "--brokers", addr).want(t, 0)
	millrace(t, "", "log", "verify", dir).want(t, 1, "is in use", "stop the node")
	node.stop(t)

	millrace(t, "", "log", "verify", dir).want(t, 0, "metadata of 3 topics", "0 damaged places")
	millrace(t, "", "log", "verify", t.TempDir()).want(t, 1, "no data directory")
	millrace(t, "", "log", "verify").want(t, 2, "a data directory")

	segments, err := filepath.Glob(filepath.Join(dir, "log", "topics", "*", "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := ""
	for _, name := range segments {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 70 && flipped == "" {
			b[70] ^= 1
			flipped = name
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	millrace(t, "", "log", "verify", dir).want(t, 1, "damaged: partition", "checksum", "restore", filepath.Base(flipped), "1 damaged place")
	o := millrace(t, "", "log", "verify", dir, "-o", "json")
	o.want(t, 1)
	var r log.VerifyReport
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || r.Damage() != 1 || r.Findings[0].FirstOffset != 0 {
		t.Fatalf("%v\n%s", err, o.stdout)
	}

	logs, err := filepath.Glob(filepath.Join(dir, "log", "metadata", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal("the metadata has no write-ahead log", err)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(logs[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	millrace(t, "", "log", "verify", dir).want(t, 1, "metadata/"+filepath.Base(logs[0]), "it ends after save", "backup", "2 damaged places")
	millrace(t, "", "server", "--data", dir, "--listen", "127.0.0.1:0").want(t, 1, "the metadata log in", "nothing there was changed or deleted", "log verify")
}
