package group

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// TestNotices: offsets have expired without a trace elsewhere, and consumers jumped to
// the end of their topics. Here a line says how many of which group; others say who
// was removed from a group and why, and that a group changed its protocol.
func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := core.NewDriver(core.DriverOptions{Shards: 1})
		defer d.Close()
		c := NewCoordinator(Options{Partitions: 1, Driver: d, Config: Config{OffsetsRetention: time.Hour},
			Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer c.Close()
		c.Elected(0, 1, coordtest.NewLog())
		synctest.Wait()
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Version, commit.Group, commit.Generation = 9, "simple", -1
		commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}, {Partition: 1}}}}
		c.must(t, commit)
		join := kmsg.NewPtrJoinGroupRequest()
		join.Version, join.Group, join.ProtocolType, join.SessionTimeoutMillis = 3, "g", consumerProtocol, 30_000
		meta := kmsg.NewConsumerMemberMetadata()
		meta.Topics = []string{"t"}
		join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: meta.AppendTo(nil)}}
		c.must(t, join)
		beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		beat.Version, beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = 1, "g", "m", 1000
		beat.SubscribedTopicNames, beat.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		c.must(t, beat)
		time.Sleep(2 * time.Hour) // of the bubble
		synctest.Wait()
		for _, want := range []string{
			`msg="committed offsets expired" group=simple offsets=2 group_deleted=true`,
			`msg="group changed its protocol" group=g protocol=consumer members=1`,
			`msg="member removed from its group" group=g member=m reason="no heartbeat within the session timeout"`,
		} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no line %s in\n%s", want, &log)
			}
		}
		if got := c.must(t, kmsg.NewPtrListGroupsRequest()).(*kmsg.ListGroupsResponse); len(got.Groups) != 0 {
			t.Errorf("groups are left: %+v", got.Groups)
		}
	})
}
