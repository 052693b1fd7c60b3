package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	kfakeModule = "github.com/twmb/franz-go/pkg/kfake"
	ourCluster  = "github.com/millrace/millrace/conformance/fakecluster"
)

// kfake has tests that were derived from Apache Kafka's own. They run here against a
// node: copied from the module cache to a temporary folder, with the import of kfake
// pointed at fakecluster. None of their text is in this repository.
func TestKfakesKafkaTests(t *testing.T) {
	binary := buildKafkaTests(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json", "-t", binary, "-test.v=test2json", "-test.timeout=4m", "-test.parallel=4")
	cmd.Dir = filepath.Dir(binary)
	runSuite(t, cmd, "allow/kfake.txt")
}

// buildKafkaTests returns the test binary of the copy. The copy is shown to the
// compiler as a folder of this module that is not there (an overlay), and so uses
// this module's dependencies.
func buildKafkaTests(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	originals, err := filepath.Glob(filepath.Join(moduleDir(t, kfakeModule), "kafka_tests", "*.go"))
	if err != nil || len(originals) == 0 {
		t.Fatalf("kfake's kafka_tests are not where they were: %v", err)
	}
	replace := map[string]string{}
	for _, original := range originals {
		text, err := os.ReadFile(original)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(`"`+kfakeModule+`"`), []byte(`kfake "`+ourCluster+`"`))
		copied := filepath.Join(dir, filepath.Base(original))
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, "kafka_tests", filepath.Base(original))] = copied
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "kafka.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./kafka_tests")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kfake's tests: %v\n%s", err, out)
	}
	return binary
}

// moduleDir is where a module of the build is in the module cache.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("%s is not in the module cache: %v", module, err)
	}
	return dir
}
