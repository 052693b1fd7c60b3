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

// remembered are the topics for which the group has offsets. It asks the coordinator
// by name: by id it would not be told of a topic that is gone.
func remembered(t *testing.T, n *Node) []string {
	t.Helper()
	for ctx := within(t); ; runtime.Gosched() {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = 7, "g"
		resp, err := n.groups.Handle(ctx, coord.Meta{}, req)
		if err != nil {
			t.Fatal(err)
		}
		r := resp.(*kmsg.OffsetFetchResponse)
		if r.ErrorCode == kerr.CoordinatorLoadInProgress.Code {
			continue
		}
		names := []string{}
		for _, topic := range r.Topics {
			names = append(names, topic.Topic)
		}
		return names
	}
}

// A topic that gets the name of one that was deleted starts without a past, and keeps
// what is committed for it from then on.
func TestOffsetsGoWithTheirTopic(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	for range 20 {
		commit(t, s, create(t, s, "t", 1), 7)
		if got := committedOffset(t, s); got != 7 {
			t.Fatalf("the group is at %d", got)
		}
		req := kmsg.NewPtrDeleteTopicsRequest()
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = new("t")
		req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10_000
		if resp, err := req.RequestWith(within(t), s); err != nil || resp.Topics[0].ErrorCode != 0 {
			t.Fatal(err, resp)
		}
		if names := remembered(t, n); len(names) > 0 {
			t.Fatalf("the group still has offsets of %v", names)
		}
	}
}

// Also if the node was killed between the deletion and what follows from it.
func TestOffsetsOfATopicThatIsGoneAtTheStart(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	s := n.Session(SessionOptions{})
	commit(t, s, create(t, s, "t", 1), 7)
	// The metadata alone: what follows from it does not happen.
	if _, err := n.meta.DeleteTopics(within(t), meta.DeleteTopics{Topics: []meta.TopicRef{{Name: "t"}}}); err != nil {
		t.Fatal(err)
	}
	if names := remembered(t, n); len(names) != 1 {
		t.Fatalf("the group has offsets of %v", names)
	}
	after := openNode(t, fs.CrashClone(seeded(t)))
	ctx := within(t)
	for len(remembered(t, after)) > 0 && ctx.Err() == nil {
		runtime.Gosched()
	}
	if names := remembered(t, after); len(names) > 0 {
		t.Fatalf("after the start the group has offsets of %v", names)
	}
}
