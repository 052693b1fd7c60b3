package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Beside kfake, a node answered POLICY_VIOLATION for a partition that a compacted topic
// does not have: it looked at the policy first. Kafka looks for the partition first, and
// clients refresh their metadata only if they are told that it is not there.
func TestDeleteRecordsLooksForThePartitionFirst(t *testing.T) {
	_, addr := newNode(t)
	compact, both := "compact", "compact,delete"
	createTopic(t, addr, "compact", 1, map[string]*string{"cleanup.policy": &compact})
	createTopic(t, addr, "both", 1, map[string]*string{"cleanup.policy": &both})
	w := dial(t, addr)
	for _, c := range []struct {
		topic     string
		partition int32
		want      *kerr.Error
	}{
		{"compact", 0, kerr.PolicyViolation},
		{"compact", 1, kerr.UnknownTopicOrPartition},
		{"both", 0, nil},
		{"both", 1, kerr.UnknownTopicOrPartition},
		{"nowhere", 0, kerr.UnknownTopicOrPartition},
		{"__consumer_offsets", 0, kerr.InvalidTopicException},
	} {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: c.topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: c.partition}}}}
		var want int16
		if c.want != nil {
			want = c.want.Code
		}
		if got := ask[*kmsg.DeleteRecordsResponse](w, 2, req).Topics[0].Partitions[0].ErrorCode; got != want {
			t.Errorf("%s/%d: %v, want %v", c.topic, c.partition, kerr.ErrorForCode(got), c.want)
		}
	}
}
