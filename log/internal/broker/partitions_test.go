package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/meta"
)

// A client that asked the wrong node is told the right one with the error (KIP-951),
// and nothing where that would mislead it.
func TestLeaderHint(t *testing.T) {
	topic := &meta.Topic{Partitions: []*meta.Partition{{Leader: 3, LeaderEpoch: 9}, {Leader: -1, LeaderEpoch: 2}}}
	wrong := kerr.NotLeaderForPartition.Code
	for _, c := range []struct {
		name  string
		topic *meta.Topic
		index int32
		code  int16
		want  bool
	}{
		{"another leads", topic, 0, wrong, true},
		{"an older epoch", topic, 0, kerr.FencedLeaderEpoch.Code, true},
		{"nobody leads", topic, 1, wrong, false},
		{"no such partition", topic, 2, wrong, false},
		{"no such topic", nil, 0, wrong, false},
		{"another error", topic, 0, kerr.OffsetOutOfRange.Code, false},
		{"no error", topic, 0, 0, false},
	} {
		leader, epoch, ok := leaderHint(c.topic, c.index, c.code)
		if ok != c.want || ok && (leader != 3 || epoch != 9) {
			t.Errorf("%s: node %d in epoch %d, %v", c.name, leader, epoch, ok)
		}
	}
}
