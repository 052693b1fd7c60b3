package cli

import (
	"strings"
	"testing"
)

func TestServerIsGivenSettingsByKafkasNames(t *testing.T) {
	addr := freeAddress(t)
	start(t, "server", "--data", t.TempDir(), "--listen", addr, "--admin-listen", "none",
		"--config", "num.partitions=3", "-c", "offsets.retention.minutes=60", "--no-auto-create").until(t, "listening on")
	list := millrace(t, "", "config", "list", "broker/1", "--changed", "-b", addr)
	list.want(t, 0, "num.partitions", "offsets.retention.minutes", "auto.create.topics.enable", "start of the broker")
	if strings.Contains(list.stdout, "max.connections") {
		t.Errorf("a default is told as changed:\n%s", list.stdout)
	}
	millrace(t, "", "config", "set", "broker", "num.partitions=4", "-b", addr).want(t, 1, "given at a node's start (--config) (INVALID_REQUEST)")
	millrace(t, "", "config", "list", "broker/2", "-b", addr).want(t, 1, "there is no broker 2 (millrace cluster info")
	millrace(t, "", "topic", "create", "orders", "-b", addr).want(t, 0)
	millrace(t, "", "topic", "list", "-b", addr).want(t, 0, "orders           3")
}

func TestSettingsThatCannotBeSayWhatToWrite(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--config num.partition=3", "did you mean num.partitions?"},
		{"--config num.partitions", "write KEY=VALUE"},
		{"--config num.partitions=three", "num.partitions=three: write a whole number"},
		{"--config num.partitions=3 --config num.partitions=4", "given twice"},
		{"--config num.partitions=3 --default-partitions 4", "--config num.partitions and --default-partitions mean the same"},
		{"--config listeners=PLAINTEXT://:9092", "say it with --listen"},
		{"--config log.retention.ms=1000", "millrace config set broker log.retention.ms=1000"},
		{"--config log.retention.hours=1", "millrace config set broker log.retention.ms=MILLISECONDS"},
		{"--config zookeeper.connect=a", "docs/operations.md lists"},
		{"--offsets-retention 0", "offsets cannot be kept for no time"},
	} {
		args := append([]string{"server", "--data", t.TempDir(), "--listen", "none", "--admin-listen", "none"}, strings.Fields(c.args)...)
		millrace(t, "", args...).want(t, 2, c.want)
	}
}

// Every flag that means a setting is there, and every setting that has one.
func TestSettingsWithFlagsOfTheirOwn(t *testing.T) {
	server, _, err := (&app{}).root().Find([]string{"server"})
	if err != nil {
		t.Fatal(err)
	}
	for key, flag := range ownFlags {
		if server.Flags().Lookup(flag) == nil {
			t.Errorf("%s: there is no --%s", key, flag)
		}
	}
	for key, how := range elsewhere {
		name, _, _ := strings.Cut(strings.TrimPrefix(how, "--"), " ")
		if server.Flags().Lookup(name) == nil {
			t.Errorf("%s: there is no --%s", key, name)
		}
	}
}
