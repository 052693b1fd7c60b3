package log

import (
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/meta"
)

// commit puts a group at an offset of a topic's first partition.
func commit(t *testing.T, s *Session, id [16]byte, offset int64) {
	t.Helper()
	for ctx := within(t); ; runtime.Gosched() {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "g", -1
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = "t", id
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Offset, rp.LeaderEpoch = offset, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		switch code := resp.Topics[0].Partitions[0].ErrorCode; code {
		case 0:
			return
		case kerr.CoordinatorLoadInProgress.Code:
		default:
			t.Fatalf("commit: error %d", code)
		}
	}
}

// awaitForgotten waits until the group remembers no topic. It asks the coordinator by
// name: by id it would not be told of a topic that is gone.
func awaitForgotten(t *testing.T, n *Node) {
	t.Helper()
	for ctx := within(t); ; runtime.Gosched() {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = 7, "g"
		resp, err := n.groups.Handle(ctx, coord.Meta{}, req)
		if err != nil {
			t.Fatal(err)
		}
		if r := resp.(*kmsg.OffsetFetchResponse); r.ErrorCode == 0 && len(r.Topics) == 0 {
			return
		}
	}
}

// A topic that gets the name of one that was deleted starts without a past.
func TestOffsetsGoWithTheirTopic(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	commit(t, s, create(t, s, "t", 1), 7)
	if got := committedOffset(t, s); got != 7 {
		t.Fatalf("the group is at %d", got)
	}
	if _, err := n.meta.DeleteTopics(within(t), meta.DeleteTopics{Topics: []meta.TopicRef{{Name: "t"}}}); err != nil {
		t.Fatal(err)
	}
	awaitForgotten(t, n)
}

// Also if the node was killed between the deletion and what follows from it.
func TestOffsetsOfATopicThatIsGoneAtTheStart(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	s := n.Session(SessionOptions{})
	commit(t, s, create(t, s, "t", 1), 7)
	n.stopFollow() // as if it were killed before it comes to that
	n.follow.Wait()
	if _, err := n.meta.DeleteTopics(within(t), meta.DeleteTopics{Topics: []meta.TopicRef{{Name: "t"}}}); err != nil {
		t.Fatal(err)
	}
	after := openNode(t, fs.CrashClone(seeded(t)))
	awaitForgotten(t, after)
}
