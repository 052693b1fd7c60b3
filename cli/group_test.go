package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestParseTarget(t *testing.T) {
	now := time.UnixMilli(10_000_000)
	for text, want := range map[string]target{
		"start":                {kind: toStart},
		"end":                  {kind: toEnd},
		"42":                   {kind: toOffset, offset: 42},
		"1970-01-01T00:00:07Z": {kind: toTime, millis: 7000},
		"-1h":                  {kind: toTime, millis: 10_000_000 - 3_600_000},
	} {
		if got, err := parseTarget(text, now); err != nil || got != want {
			t.Errorf("parseTarget(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "1h", "yesterday", "1970-01-01"} {
		if got, err := parseTarget(text, now); err == nil {
			t.Errorf("parseTarget(%q) = %v, not refused", text, got)
		}
	}
}

// TestGroups follows a group as a person at the terminal would: it appears by a
// seek, moves, tells its lag, refuses to move while it has a member, and goes.
func TestGroups(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }
	run("topic", "create", "orders", "-p", "2").want(t, 0)
	millrace(t, strings.Repeat("x\n", 10), "produce", "orders", "-p", "1", "--brokers", addr).want(t, 0)

	run("group", "describe", "billing").want(t, 1, "no such group", "group list")
	run("group", "describe", "billing", "-o", "json").want(t, 1, "[]") // was null, which scripts cannot loop over
	run("group", "seek", "billing", "--to", "start").want(t, 1, "committed nothing", "--topic")
	run("group", "seek", "billing", "--to", "start", "--topic", "nowhere").want(t, 1, "nowhere")
	run("group", "seek", "billing").want(t, 2, "--to")
	run("group", "seek", "billing", "--to", "4", "--topic", "orders:1", "--dry-run").want(t, 0)
	run("group", "describe", "billing").want(t, 1, "no such group")

	run("group", "seek", "billing", "--to", "4", "--topic", "orders").want(t, 0)
	var groups []groupDetail
	o := run("group", "describe", "billing", "-o", "json")
	if err := json.Unmarshal([]byte(o.stdout), &groups); err != nil || len(groups) != 1 {
		t.Fatalf("describe -o json: %v\n%s%s", err, o.stdout, o.stderr)
	}
	g := groups[0]
	if g.State != "Empty" || *g.Lag != 6 || len(g.Partitions) != 2 || *g.Partitions[0].Committed != 0 || *g.Partitions[1].Committed != 4 || *g.Partitions[1].End != 10 {
		t.Errorf("the group is %s", o.stdout)
	}
	run("group", "seek", "other", "--to-group", "billing").want(t, 0)
	run("group", "seek", "other", "--to", "end").want(t, 0, "10")
	run("group", "list").want(t, 0, "billing", "other", "Empty", "classic")
	run("group", "offset-delete", "other", "--topic", "orders:0").want(t, 0)
	run("group", "delete", "other", "unheard").want(t, 1, "deleted other", "unheard")
	if o := run("group", "list"); strings.Contains(o.stdout, "other") {
		t.Errorf("a deleted group is listed:\n%s", o.stdout)
	}
}

func TestConfigs(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }
	run("topic", "create", "orders").want(t, 0)
	run("config", "set", "topic/orders", "retention.ms=5000", "--dry-run").want(t, 0, "would be set")
	run("config", "list", "topic/orders", "--changed", "-o", "json").want(t, 0, "[]")
	run("config", "set", "topic/orders", "retention.ms=5000").want(t, 0)
	run("config", "list", "topic/orders", "retention.ms").want(t, 0, "5000", "dynamic topic")
	run("config", "unset", "topic/orders", "retention.ms").want(t, 0)
	run("config", "list", "topic/orders", "retention.ms").want(t, 0, "604800000", "default")
	run("config", "set", "topic/orders", "retention.ms=soon").want(t, 1, "retention.ms", "whole number")
	run("config", "set", "topic/orders", "colour=red").want(t, 1, "colour")
	run("config", "list", "topic/orders", "colour").want(t, 1, "colour")
	run("config", "list", "orders").want(t, 2, "topic/NAME")
	run("config", "list", "group/shop").want(t, 0, "consumer.session.timeout.ms", "45000", "default")
	run("config", "set", "group/shop", "consumer.session.timeout.ms=60000", "--dry-run").want(t, 0, "would be set")
	run("config", "list", "group/shop", "--changed", "-o", "json").want(t, 0, "[]")
	run("config", "set", "group/shop", "consumer.session.timeout.ms=60000").want(t, 0, "group/shop: 1 setting set")
	run("config", "list", "group/shop", "--changed", "-o", "json").want(t, 0, "60000", "dynamic group", `"default": "45000"`)
	run("config", "unset", "group/shop", "consumer.session.timeout.ms").want(t, 0)
	run("config", "list", "group/shop", "--changed", "-o", "json").want(t, 0, "[]")
	run("config", "set", "group/shop", "consumer.session.timeout.ms=1000").want(t, 1, "group/shop", "INVALID_CONFIG", "group.consumer.min.session.timeout.ms")
	run("config", "set", "group/shop", "retention.ms=1000").want(t, 1, "INVALID_CONFIG", "consumer.session.timeout.ms")
	run("config", "list", "topic/nowhere").want(t, 1, "nowhere", "UNKNOWN_TOPIC_OR_PARTITION")
	run("config", "list", "broker/1", "node.id").want(t, 0, "node.id", "start of the broker")
}

func TestClusterInfo(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "topic", "create", "orders", "-p", "3", "--brokers", addr).want(t, 0)
	o := millrace(t, "", "cluster", "info", "-o", "json", "--brokers", addr)
	var info clusterInfo
	if err := json.Unmarshal([]byte(o.stdout), &info); err != nil {
		t.Fatalf("%v\n%s%s", err, o.stdout, o.stderr)
	}
	if info.ID == "" || len(info.Brokers) != 1 || info.Topics != 1 || info.Partitions != 3 || len(info.Features) == 0 {
		t.Errorf("cluster info says %s", o.stdout)
	}
	millrace(t, "", "cluster", "info", "--brokers", addr).want(t, 0, info.ID, "BROKER", "transaction.version")
}

// TestTopicAlterations: more partitions, never fewer, and records that go.
func TestTopicAlterations(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	run := func(args ...string) outcome { return millrace(t, "", append(args, "--brokers", addr)...) }
	run("topic", "create", "orders").want(t, 0)
	millrace(t, "a\nb\nc\n", "produce", "orders", "--brokers", addr).want(t, 0)
	run("topic", "add-partitions", "orders", "--to", "2").want(t, 0, "has 2 partitions")
	run("topic", "add-partitions", "orders", "--to", "1").want(t, 1, "INVALID_PARTITIONS")
	run("topic", "trim", "orders", "--before", "soon").want(t, 2, "offset, or end")
	// What would fail was promised by a dry run, and the refusal did not say where the records end.
	for _, dry := range []string{"--dry-run", "--dry-run=false"} {
		run("topic", "trim", "orders:0", "--before", "99", dry).want(t, 1, "orders/0 ends at 3")
		run("topic", "trim", "orders:7", "--before", "1", dry).want(t, 1, "orders has no partition 7")
	}
	run("topic", "trim", "elsewhere", "--before", "1").want(t, 1, "elsewhere", "no such topic")
	run("topic", "trim", "orders:0", "--before", "end", "--dry-run").want(t, 0, "3")
	run("topic", "trim", "orders:0", "--before", "2").want(t, 0, "orders")
	run("topic", "create", "none", "-p", "0").want(t, 2, "--partitions 0", "at least 1")
	run("topic", "create", "none", "-r", "-1").want(t, 2, "--replicas -1", "at least 1")
	run("consume", "orders").want(t, 0, "c")
	if o := run("consume", "orders"); strings.Contains(o.stdout, "a\n") {
		t.Errorf("a trimmed record is there:\n%s", o.stdout)
	}
	run("topic", "trim", "orders:0", "--before", "end").want(t, 0, "3")
}

// TestCompletion: a shell asks for names, and gets those that the node has.
func TestCompletion(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "topic", "create", "orders", "--brokers", addr).want(t, 0)
	millrace(t, "", "__complete", "topic", "describe", "--brokers", addr, "").want(t, 0, "orders")
	millrace(t, "", "__complete", "config", "list", "--brokers", addr, "").want(t, 0, "topic/orders", "broker")
	millrace(t, "", "__complete", "group", "seek", "g", "--brokers", addr, "--to", "").want(t, 0, "start", "end")
}
