package group

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

// TestSnapshot: all groups of all partitions, more than a core copies at once, in
// order; a partition that is loading is an error beside what the others have.
func TestSnapshot(t *testing.T) {
	const groups = 3 * snapshotGroups
	inBubble(t, func(t *testing.T, c *Coordinator) {
		c.Elected(0, 1, coordtest.NewLog())
		c.Elected(1, 1, coordtest.NewLog())
		synctest.Wait()
		for i := range groups {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Version, req.Group, req.Generation = 9, fmt.Sprintf("g%03d", i), -1
			req.Topics = []kmsg.OffsetCommitRequestTopic{
				{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 1, Offset: 7}, {Offset: int64(i), Metadata: new("m"), LeaderEpoch: 3}}},
				{Topic: "s", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 8}}},
			}
			c.must(t, req)
		}
		all, err := c.Snapshot(t.Context())
		if err != nil || len(all) != groups {
			t.Fatalf("%d groups, %v", len(all), err)
		}
		for i, s := range all {
			o := s.Offsets
			if s.ID != fmt.Sprintf("g%03d", i) || s.Type != "classic" || s.State != "Empty" || s.Members != 0 || len(o) != 3 {
				t.Fatalf("group %d is %+v", i, s)
			}
			if o[0].Topic != "s" || o[1].Partition != 0 || o[1].Offset != int64(i) || o[1].Metadata != "m" || o[1].LeaderEpoch != 3 || o[2].Partition != 1 {
				t.Fatalf("offsets of group %d are %+v", i, o)
			}
		}
		loading := coordtest.NewLog()
		loading.Hold()
		loading.Append((&coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{}}}).Encode(), func(int64, error) {})
		c.Elected(1, 2, loading)
		some, err := c.Snapshot(t.Context())
		if err == nil || len(some) == 0 || len(some) >= groups {
			t.Errorf("one partition is loading: %d groups, %v", len(some), err)
		}
	})
}
