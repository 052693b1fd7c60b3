package soak

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member reads a topic as a member of a group and commits what it has read, or leaves
// without.
func member(group, topic string, opts ...kgo.Opt) func(*actor) {
	return func(a *actor) {
		for !a.over() {
			cl := a.client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.SessionTimeout(6 * time.Second),
				kgo.HeartbeatInterval(300 * time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
			for polls := 50 + a.rng.IntN(300); polls > 0 && !a.over(); polls-- {
				a.gave(cl.PollRecords(within(a.ctx, 500*time.Millisecond), 1+a.rng.IntN(200)), false, group)
				if a.rng.IntN(3) == 0 {
					a.commitGroup(cl, group)
				}
			}
			cl.Close()
		}
	}
}

// commitGroup commits what a member has read.
func (a *actor) commitGroup(cl *kgo.Client, group string) {
	offsets := cl.UncommittedOffsets()
	if len(offsets) == 0 {
		return
	}
	begin := a.h.now()
	ok := map[partition]bool{}
	cl.CommitOffsetsSync(within(a.hurry, 20*time.Second), offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				ok[partition{t.Topic, p.Partition}] = p.ErrorCode == 0
			}
		}
	})
	for topic, of := range offsets {
		for p, o := range of {
			in := partition{topic, p}
			a.h.add(begin, event{Who: a.name, Commit: &committed{Group: group, In: in, Offset: o.Offset, OK: ok[in]}})
		}
	}
}

// watcher looks at groups' offsets.
func watcher(groups map[string]string) func(*actor) {
	return func(a *actor) {
		cl := a.client()
		defer cl.Close()
		for !a.over() {
			for group, topic := range groups {
				_ = a.lookAt(a.ctx, cl, group, topic, false)
			}
			a.pause(500 * time.Millisecond)
		}
	}
}

func (a *actor) lookAt(ctx context.Context, cl *kgo.Client, group, topic string, final bool) error {
	begin := a.h.now()
	offsets, err := kadm.NewClient(cl).FetchOffsetsForTopics(ctx, group, topic)
	if err != nil {
		return err
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Err != nil {
			err = o.Err
			return
		}
		a.h.add(begin, event{Who: a.name, Committed: &committed{Group: group, In: partition{o.Topic, o.Partition}, Offset: o.At, OK: true, Final: final}})
	})
	return err
}
