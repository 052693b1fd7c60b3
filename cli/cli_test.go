package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionAndHelp(t *testing.T) {
	millrace(t, "", "version").want(t, 0, "millrace ")
	millrace(t, "", "--help").want(t, 0, "run", "server", "lint", "explain", "topic", "produce", "consume", "completion")
	millrace(t, "", "completion", "bash").want(t, 0, "__start_millrace")
	var v versionInfo
	if o := millrace(t, "", "version", "-o", "json"); json.Unmarshal([]byte(o.stdout), &v) != nil || v.Go == "" {
		t.Errorf("version -o json printed %q", o.stdout)
	}
}

// TestUsage: what is wrong with a command line ends with status 2 and a sentence
// that says what to do.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"run", "needs a pipeline file"},
		{"run a b", "takes 1 argument"},
		{"run no-such-file.yaml", "no pipeline file"},
		{"run --nonsense x", "--nonsense"},
		{"server", "--data"},
		{"lint", "needs a pipeline file"},
		{"list gadgets", "sources, operators, sinks, functions"},
		{"list -o xml", "text, json"},
		{"topic create", "a topic's name"},
		{"topic", "create, list, describe"},
		{"server --data x --sync sometimes", "always, interval, os"},
	} {
		t.Run(c.args, func(t *testing.T) {
			millrace(t, "", strings.Fields(c.args)...).want(t, 2, c.says)
		})
	}
}

func TestListNamesEverything(t *testing.T) {
	o := millrace(t, "", "list", "-o", "json")
	var verbs []verb
	if err := json.Unmarshal([]byte(o.stdout), &verbs); err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, v := range verbs {
		have[v.Kind+" "+v.Name] = v.Summary != ""
	}
	for _, want := range []string{"source topic", "source file", "source generate", "operator filter", "operator map", "operator aggregate", "sink topic", "sink file", "sink stdout", "function parse_time"} {
		if !have[want] {
			t.Errorf("list does not tell of %s", want)
		}
	}
}

const wrongPipeline = `pipeline: wrong
sources:
  rows:
    generate:
      rows: 10
      fields: [{name: n, kind: sequence}]
operators:
  few:
    from: rows
    filter: m > 1
sinks:
  out: {from: few, stdout: {}}
`

// TestFaultsStartNothing: a fault has its place, reason and nearest name; status
// is 2 and nothing was started.
func TestFaultsStartNothing(t *testing.T) {
	path := file(t, "wrong.yaml", wrongPipeline)
	dir := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"lint", path}, {"run", path, "--data", dir}, {"explain", path}} {
		millrace(t, "", args...).want(t, 2, path+":10:13:", "m")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("run made its data directory for a pipeline that is wrong")
	}
	var found []finding
	o := millrace(t, "", "lint", path, "-o", "json")
	if err := json.Unmarshal([]byte(o.stdout), &found); err != nil || len(found) != 1 || found[0].Line != 10 || found[0].Severity != "error" {
		t.Errorf("lint -o json: %v %s", err, o.stdout)
	}
}

// TestServerAndTopics walks through what one does with a node.
func TestServerAndTopics(t *testing.T) {
	addr, node := server(t, t.TempDir())
	at := func(args ...string) []string { return append(args, "--brokers", addr) }
	millrace(t, "", at("topic", "create", "orders", "-p", "3", "-c", "retention.ms=3600000")...).want(t, 0, "created orders")
	millrace(t, "", at("topic", "create", "orders")...).want(t, 1, "orders", "exists")
	millrace(t, "", at("topic", "list")...).want(t, 0, "orders")
	millrace(t, "a:1\nb:2\nc:3\n", at("produce", "orders", "-K", ":")...).want(t, 0, "wrote 3 records")
	o := millrace(t, "", at("consume", "orders", "-k")...)
	o.want(t, 0, "a\t1", "b\t2", "c\t3")
	if strings.Count(o.stdout, "\n") != 3 {
		t.Errorf("consume printed %q", o.stdout)
	}
	o = millrace(t, "", at("consume", "orders", "-o", "json", "-n", "2")...)
	var r consumed
	if err := json.Unmarshal([]byte(strings.SplitN(o.stdout, "\n", 2)[0]), &r); err != nil || r.Topic != "orders" || r.Key == nil {
		t.Errorf("consume -o json: %v %s", err, o.stdout)
	}
	o = millrace(t, "", at("topic", "describe", "orders", "-o", "json")...)
	var info topicInfo
	if err := json.Unmarshal([]byte(o.stdout), &info); err != nil || len(info.Partitions) != 3 || info.Configs["retention.ms"] != "3600000" {
		t.Errorf("describe -o json: %v %s", err, o.stdout)
	}
	millrace(t, "", at("topic", "describe", "orders")...).want(t, 0, "PARTITION", "retention.ms")
	millrace(t, "", at("topic", "delete", "orders")...).want(t, 0, "deleted orders")
	millrace(t, "", at("consume", "orders")...).want(t, 1, "orders")
	if status := node.stop(t); status != 0 {
		t.Errorf("the server ended with %d:\n%s", status, node.stderr.String())
	}
}

// TestSecondNodeIsRefused: a data directory and a port belong to one process.
func TestSecondNodeIsRefused(t *testing.T) {
	dir := t.TempDir()
	addr, _ := server(t, dir)
	millrace(t, "", "server", "--data", dir, "--listen", "none").want(t, 1, "another process")
	millrace(t, "", "server", "--data", t.TempDir(), "--listen", addr).want(t, 1, "in use", "--listen")
	millrace(t, "", "server", "--data", t.TempDir(), "--listen", "0.0.0.0:0").want(t, 1, "--insecure")
}

func TestNobodyAnswers(t *testing.T) {
	millrace(t, "", "topic", "list", "--brokers", freeAddress(t), "--timeout", "300ms").want(t, 1, "no broker", "millrace server")
}

const countPipeline = `pipeline: counts
sources:
  rows:
    generate:
      rows: %d
      splits: 2
      fields:
        - {name: user, kind: name, prefix: u, count: 10}
        - {name: at, kind: time, step: 10ms}
    event_time: {field: at}
operators:
  per_user:
    from: rows
    aggregate:
      by: [user]
      window: {tumbling: 10s, lateness: 0s}
      compute: {n: count()}
      emit: on_close
sinks:
  out: {from: per_user, topic: counts, key: user, format: json}
  shown: {from: per_user, stdout: {}, format: json}
`

// TestRunGoesOn runs a bounded pipeline twice over the same data: the second run
// finds it done and adds nothing.
func TestRunGoesOn(t *testing.T) {
	path := file(t, "counts.yaml", fmt.Sprintf(countPipeline, 10_000))
	dir := t.TempDir()
	first := millrace(t, "", "run", path, "--data", dir, "--listen", "none")
	first.want(t, 0, `"user":"u3"`, "10 000 rows in", dir)
	if n := strings.Count(first.stdout, "\n"); n != 100 {
		t.Errorf("%d rows on standard output, want 10 users in 10 windows", n)
	}
	second := millrace(t, "", "run", path, "--data", dir, "--listen", "none")
	second.want(t, 0, "0 rows in")
	if second.stdout != "" {
		t.Errorf("the second run printed rows: %s", second.stdout)
	}
	addr, _ := server(t, filepath.Join(dir))
	o := millrace(t, "", "consume", "counts", "--brokers", addr)
	if n := strings.Count(o.stdout, "\n"); n != 100 {
		t.Errorf("%d records in the topic, want 100", n)
	}
}

// TestStopClosesTheEpoch ends an endless pipeline as SIGTERM does.
func TestStopClosesTheEpoch(t *testing.T) {
	path := file(t, "endless.yaml", strings.Replace(fmt.Sprintf(countPipeline, 0), "rows: 0\n", "rate: 20000\n", 1))
	dir := t.TempDir()
	b := start(t, "run", path, "--data", dir, "--listen", "none")
	b.until(t, "running counts")
	for strings.Count(b.stdout.String(), "\n") < 20 {
		select {
		case status := <-b.done:
			t.Fatalf("ended with %d: %s", status, b.stderr.String())
		default:
		}
	}
	if status := b.stop(t); status != 0 {
		t.Fatalf("status %d: %s", status, b.stderr.String())
	}
	if !strings.Contains(b.stderr.String(), "rows in") {
		t.Errorf("no summary: %s", b.stderr.String())
	}
}
