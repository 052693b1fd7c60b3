package conformance

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tutorial is a kafkajs producer and consumer as a Kafka tutorial prints them. They
// are not ours, so they live beside the repository.
const tutorial = "../../shared/data/kafkajs-tutorial"

// installKafkajs copies programs into a temporary folder and installs the client
// there; it skips if that is not possible.
func installKafkajs(t *testing.T, programs ...string) string {
	t.Helper()
	need(t, "node")
	npm := need(t, "npm")
	dir := t.TempDir()
	for _, p := range append(programs, "kafkajs/package.json") {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(p)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("kafkajs is not installed and cannot be: %v\n%s", err, out)
	}
	return dir
}

// node runs a program with the broker's address in its environment.
func node(ctx context.Context, dir, program, broker string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BROKER="+broker, "KAFKAJS_NO_PARTITIONER_WARNING=1")
	return cmd
}

// The first thing that many people do with Kafka: start the consumer, send a
// message, see it.
func TestKafkajsTutorial(t *testing.T) {
	if _, err := os.Stat(tutorial); err != nil {
		t.Skipf("the tutorial's programs are not here: %v", err)
	}
	dir := installKafkajs(t, tutorial+"/producer.js", tutorial+"/consumer.js")
	broker := startNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	consumer := node(ctx, dir, "consumer.js", broker)
	out, err := consumer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	consumer.Stderr = &problems
	if err := consumer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = consumer.Process.Kill() // it consumes for ever
		_ = consumer.Wait()
	}()
	if b, err := node(ctx, dir, "producer.js", broker).CombinedOutput(); err != nil {
		t.Fatalf("producer: %v\n%s", err, b)
	}
	if line := awaitLine(out, "value"); line != "{ value: 'Hello Kafka World!' }" {
		t.Fatalf("the consumer printed %q\n%s", line, problems.String())
	}
}

// awaitLine is the first line that contains word, or all that was read.
func awaitLine(r io.Reader, word string) string {
	var all strings.Builder
	for s := bufio.NewScanner(r); s.Scan(); {
		if strings.Contains(s.Text(), word) {
			return s.Text()
		}
		all.WriteString(s.Text() + "\n")
	}
	return all.String()
}

func TestKafkajsScenario(t *testing.T) {
	dir := installKafkajs(t, "kafkajs/scenario.js")
	broker := startNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := node(ctx, dir, "scenario.js", broker).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
