package log

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
)

const groupResource = kmsg.ConfigResourceTypeGroupConfig

// joinConsumers makes a member of a group of the consumer protocol and gives the answer.
func joinConsumers(w *wire, group, topic string) *kmsg.ConsumerGroupHeartbeatResponse {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.RebalanceTimeoutMillis = group, "m", 60_000
	req.SubscribedTopicNames, req.Topics = []string{topic}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return ask[*kmsg.ConsumerGroupHeartbeatResponse](w, 1, req)
}

func configResources(w *wire, kinds ...int8) (names []string) {
	req := kmsg.NewPtrListConfigResourcesRequest()
	req.ResourceTypes = kinds
	for _, r := range ask[*kmsg.ListConfigResourcesResponse](w, 1, req).ConfigResources {
		names = append(names, fmt.Sprintf("%d:%s", r.Type, r.Name))
	}
	return names
}

// kafka-configs --entity-type groups --entity-name g --add-config
// consumer.session.timeout.ms=50000 was answered that only topics and brokers have
// configs, so one group of slow members needed a longer session for every group of the
// node. What is set for a group is what its members are told at their next heartbeat.
func TestGroupsHaveConfigs(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	addr := serve(t, n)
	createTopic(t, addr, "in", 1, nil)
	w := dial(t, addr)
	if got := describe(w, groupResource, "g", "consumer.session.timeout.ms"); got != "45000 from 5: group.consumer.session.timeout.ms=45000(5)" {
		t.Errorf("at first: %s", got)
	}
	if code := change(w, groupResource, "g", [2]string{"consumer.session.timeout.ms", "50000"}, [2]string{"consumer.heartbeat.interval.ms", "9000"}); code != 0 {
		t.Fatalf("set: error %d", code)
	}
	told := func(w *wire, when, group string, want int32) {
		t.Helper()
		if resp := joinConsumers(w, group, "in"); resp.ErrorCode != 0 || resp.HeartbeatIntervalMillis != want {
			t.Errorf("%s: %s is told a heartbeat every %d ms (error %d), want %d", when, group, resp.HeartbeatIntervalMillis, resp.ErrorCode, want)
		}
	}
	told(w, "set", "g", 9000)
	told(w, "set for another", "other", 5000)

	closeNode(t, n)
	w = dial(t, serve(t, openNode(t, fs)))
	told(w, "after a restart", "g", 9000)
	if got := describe(w, groupResource, "g", "consumer.heartbeat.interval.ms"); got !=
		"9000 from 8: consumer.heartbeat.interval.ms=9000(8) group.consumer.heartbeat.interval.ms=5000(5)" {
		t.Errorf("after a restart: %s", got)
	}
	if got := configResources(w, int8(groupResource)); !slices.Equal(got, []string{"32:g"}) {
		t.Errorf("groups with configs: %q", got)
	}
	if code := change(w, groupResource, "g", [2]string{"consumer.heartbeat.interval.ms", ""}); code != 0 {
		t.Fatalf("remove: error %d", code)
	}
	told(w, "removed", "g", 5000)

	// AlterConfigs replaces all of them.
	req := kmsg.NewPtrAlterConfigsRequest()
	rr := kmsg.NewAlterConfigsRequestResource()
	interval := "8000"
	rr.ResourceType, rr.ResourceName = groupResource, "g"
	rr.Configs = []kmsg.AlterConfigsRequestResourceConfig{{Name: "consumer.heartbeat.interval.ms", Value: &interval}}
	req.Resources = append(req.Resources, rr)
	if got := ask[*kmsg.AlterConfigsResponse](w, 2, req).Resources[0].ErrorCode; got != 0 {
		t.Fatalf("AlterConfigs: error %d", got)
	}
	if got := describe(w, groupResource, "g", "consumer.session.timeout.ms"); !strings.HasPrefix(got, "45000 from 5:") {
		t.Errorf("a config that AlterConfigs does not name: %s", got)
	}
}

func TestGroupConfigsThatCannotBe(t *testing.T) {
	_, addr := newNode(t, func(o *Options) { o.Groups.ConsumerMinSession = 7 * time.Second })
	w := dial(t, addr)
	for _, c := range []struct {
		group, key, value string
		want              *kerr.Error
	}{
		{"", "consumer.session.timeout.ms", "50000", kerr.InvalidRequest},
		{"g", "consumer.session.timeout.ms", "soon", kerr.InvalidConfig},
		{"g", "consumer.session.timeout.ms", "6999", kerr.InvalidConfig},
		{"g", "consumer.session.timeout.ms", "60001", kerr.InvalidConfig},
		{"g", "consumer.heartbeat.interval.ms", "4999", kerr.InvalidConfig},
		{"g", "consumer.heartbeat.interval.ms", "15001", kerr.InvalidConfig},
		{"g", "share.session.timeout.ms", "50000", kerr.InvalidConfig},
		{"g", "retention.ms", "50000", kerr.InvalidConfig},
	} {
		if got := change(w, groupResource, c.group, [2]string{c.key, c.value}); got != c.want.Code {
			t.Errorf("%s=%s of group %q: error %d, want %v", c.key, c.value, c.group, got, c.want)
		}
	}
	// Each alone would do, but not both.
	if got := change(w, groupResource, "g", [2]string{"consumer.session.timeout.ms", "9000"}); got != 0 {
		t.Fatalf("a short session: error %d", got)
	}
	if got := change(w, groupResource, "g", [2]string{"consumer.heartbeat.interval.ms", "9000"}); got != kerr.InvalidConfig.Code {
		t.Errorf("heartbeats as long as the session: error %d", got)
	}
	if got := describe(w, groupResource, "", "consumer.session.timeout.ms"); got != fmt.Sprintf("error %d, 0 configs", kerr.InvalidRequest.Code) {
		t.Errorf("of no group: %s", got)
	}
}
