package conformance

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// tutorial is a kafkajs producer and consumer as a Kafka tutorial prints them. They
// are not ours, so they live beside the repository.
const tutorial = "../../shared/data/kafkajs-tutorial"

// installNode returns a folder with a client for Node, as the package.json in the folder of
// its name says, and copies of the programs.
func installNode(t *testing.T, client string, programs ...string) string {
	t.Helper()
	need(t, "node")
	npm := need(t, "npm")
	return installed(t, client, append(programs, client+"/package.json"),
		[]string{npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"})
}

// node runs a program with the broker's address in its environment.
func node(ctx context.Context, dir, program, broker string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BROKER="+broker)
	return cmd
}

// The first thing that many people do with Kafka: start the consumer, send a
// message, see it.
func TestKafkajsTutorial(t *testing.T) {
	if _, err := os.Stat(tutorial); err != nil {
		t.Skipf("the tutorial's programs are not here: %v", err)
	}
	dir := installNode(t, "kafkajs", tutorial+"/producer.js", tutorial+"/consumer.js")
	broker := plain(t).broker
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
	dir := installNode(t, "kafkajs", "kafkajs/scenario.js")
	overEach(t, func(t *testing.T, at endpoint) { runSteps(t, at, dir, "node", "scenario.js") })
}
