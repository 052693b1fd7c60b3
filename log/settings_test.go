package log

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
)

// others are values of all settings that are not their defaults.
var others = map[string]string{
	"auto.create.topics.enable":                "false",
	"connections.max.idle.ms":                  "60000",
	"group.consumer.heartbeat.interval.ms":     "1000",
	"group.consumer.max.heartbeat.interval.ms": "20000",
	"group.consumer.max.session.timeout.ms":    "50000",
	"group.consumer.min.heartbeat.interval.ms": "900",
	"group.consumer.min.session.timeout.ms":    "20000",
	"group.consumer.session.timeout.ms":        "30000",
	"group.initial.rebalance.delay.ms":         "0",
	"group.max.session.timeout.ms":             "60000",
	"group.max.size":                           "5",
	"group.min.session.timeout.ms":             "1000",
	"max.connections":                          "100",
	"max.connections.per.ip":                   "7",
	"max.connections.per.ip.overrides":         "10.0.0.1:3,2001:db8::1:0",
	"num.partitions":                           "3",
	"offset.metadata.max.bytes":                "10",
	"offsets.retention.check.interval.ms":      "1000",
	"offsets.retention.minutes":                "-1",
	"transaction.max.timeout.ms":               "60000",
	"transactional.id.expiration.ms":           "3600000",
}

// An operator who had given a node --default-partitions 3 was told "num.partitions 1,
// start of the broker" of another one that had been given nothing: every config of a
// broker claimed to have been set. What is a default is told as one, and with what was
// given the default is told that it stands before.
func TestDescribeConfigsTellsWhatWasGivenAtTheStart(t *testing.T) {
	plain := dial(t, serve(t, openNode(t, vfs.NewMem(), func(o *Options) { o.DefaultPartitions = 0 })))
	given := dial(t, serve(t, openNode(t, vfs.NewMem(), func(o *Options) {
		for key, value := range others {
			if err := o.Set(key, " "+value); err != nil {
				t.Error(err)
			}
		}
	})))
	for _, s := range Settings() {
		value, ok := others[s.Key]
		if !ok {
			t.Errorf("the test has no value for %s", s.Key)
		}
		byDefault, usual := s.Default, s.Default
		if s.Key == "max.connections.per.ip" {
			byDefault, usual = "1024", "25" // a quarter of all
		}
		want := fmt.Sprintf("%s from %d: %[3]s=%[1]s(%[2]d)", byDefault, kmsg.ConfigSourceDefaultConfig, s.Key)
		if got := describe(plain, kmsg.ConfigResourceTypeBroker, "1", s.Key); got != want {
			t.Errorf("given nothing: %s is %q, want %q", s.Key, got, want)
		}
		want = fmt.Sprintf("%s from %d: %[3]s=%[1]s(%[2]d) %[3]s=%[4]s(%[5]d)", value, kmsg.ConfigSourceStaticBrokerConfig, s.Key, usual, kmsg.ConfigSourceDefaultConfig)
		if got := describe(given, kmsg.ConfigResourceTypeBroker, "1", s.Key); got != want {
			t.Errorf("given %s: %s is %q, want %q", value, s.Key, got, want)
		}
	}
}

func TestSettingsRefuseWhatCannotBe(t *testing.T) {
	if !slices.IsSortedFunc(settings, func(x, y Setting) int { return strings.Compare(x.Key, y.Key) }) {
		t.Error("the settings are not in the order of their keys")
	}
	for _, c := range [][3]string{
		{"num.partition", "1", "num.partition: a node is given no setting of this name"},
		{"log.retention.ms", "5", "millrace config set broker log.retention.ms=5"},
		{"num.partitions", "", "num.partitions=: write a whole number from 1"},
		{"num.partitions", "0", "from 1 to"},
		{"num.partitions", "2147483648", "to 2147483647"},
		{"auto.create.topics.enable", "no", "write true or false"},
		{"offsets.retention.minutes", "0", "from 1"},
		{"group.initial.rebalance.delay.ms", "-1", "from 0"},
		{"group.initial.rebalance.delay.ms", "3s", "whole number"},
		{"max.connections.per.ip.overrides", "10.0.0.1", `write ADDRESS:N,..., not "10.0.0.1"`},
		{"max.connections.per.ip.overrides", "10.0.0.1:many", "from 0"},
	} {
		if err := new(Options).Set(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s=%q: %v, want %q", c[0], c[1], err, c[2])
		}
	}
	for _, c := range [][3]string{
		{"group.min.session.timeout.ms", "1800001", "the longest session cannot be shorter than the shortest"},
		{"max.connections.per.ip.overrides", "example.com:1", "write an IP address"},
		{"group.consumer.heartbeat.interval.ms", "45000", "come more often than a session lasts"},
	} {
		o := Options{DataDir: "data"}
		if err := o.Set(c[0], c[1]); err != nil {
			t.Error(err)
		}
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s=%s: %v, want %q", c[0], c[1], err, c[2])
		}
	}
}

func TestSettingsHold(t *testing.T) {
	w := dial(t, serve(t, openNode(t, vfs.NewMem(), func(o *Options) {
		for _, kv := range [][2]string{{"transaction.max.timeout.ms", "60000"}, {"group.min.session.timeout.ms", "1000"}, {"group.max.session.timeout.ms", "8000"}} {
			if err := o.Set(kv[0], kv[1]); err != nil {
				t.Error(err)
			}
		}
	})))
	for timeout, want := range map[int32]int16{60000: 0, 60001: kerr.InvalidTransactionTimeout.Code} {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr("shop"), timeout
		if got := ask[*kmsg.InitProducerIDResponse](w, 4, req).ErrorCode; got != want {
			t.Errorf("a transaction timeout of %d ms: error %d, want %d", timeout, got, want)
		}
	}
	for session, want := range map[int32]int16{999: kerr.InvalidSessionTimeout.Code, 1000: 0, 8001: kerr.InvalidSessionTimeout.Code} {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = fmt.Sprint("g", session), session, 1000, "consumer"
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		if got := ask[*kmsg.JoinGroupResponse](w, 3, req).ErrorCode; got != want {
			t.Errorf("a session of %d ms: error %d, want %d", session, got, want)
		}
	}
}

// settingsTable is the table of all settings, for docs/operations.md.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| setting | default | what it is |\n|---|---|---|\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Key, s.Default, s.Effect)
	}
	return b.String()
}

// TestSettingsPage holds the table in docs/operations.md true to the settings.
func TestSettingsPage(t *testing.T) {
	const begin, end = "<!-- settings: go test ./log -run TestSettingsPage -update-metrics -->\n", "<!-- end of settings -->"
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks around its settings", operationsPage)
	}
	want := before + begin + settingsTable() + end + after
	if *updateMetrics {
		if err := os.WriteFile(operationsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(page) != want {
		t.Errorf("the settings in %s are not current: go test ./log -run TestSettingsPage -update-metrics", operationsPage)
	}
}
