package cli

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A broker that is not ours may say GROUP_ID_NOT_FOUND where Kafka says that a group has
// committed nothing. No group could be made there by its first seek, nor was it told to
// name its topics.
func TestSeekWhereUnknownGroupsAreRefused(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	run := func(args ...string) outcome {
		return millrace(t, "", append(args, "--brokers", c.ListenAddrs()[0])...)
	}
	run("group", "seek", "billing", "--to", "end").want(t, 1, "committed nothing", "--topic")
	run("group", "seek", "billing", "--to", "start", "--topic", "orders").want(t, 0, "orders")
	run("group", "describe", "billing").want(t, 0, "Empty")
}
