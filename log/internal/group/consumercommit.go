package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// mayCommit decides whether a commit may be of a consumer group: of a member in its
// epoch, or of anybody while there are no members.
//
// A member learns of its new epoch only with the answer to its heartbeat, so a commit
// that was sent before may come with the old one. It is as good as before if the
// member has had the partitions since that epoch (KIP-1251): nobody else can have
// committed in between.
func (cg *consumerGroup) mayCommit(r coord.Request, req *kmsg.OffsetCommitRequest) error {
	if req.Generation < 0 && len(cg.members) == 0 {
		return nil
	}
	m := cg.members[req.MemberID]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case m.classic == nil && req.Version < 9:
		return kerr.UnsupportedVersion
	}
	return m.mayCommit(req.Generation, func(yield func(topicPartition) bool) {
		for _, t := range req.Topics {
			known := resolve(r.Topics, req.Version >= 10, t.Topic, t.TopicID)
			for _, p := range t.Partitions {
				if known.err == nil && !yield(topicPartition{known.id, p.Partition}) {
					return
				}
			}
		}
	})
}

// mayCommitInTransaction is mayCommit for a transaction, whose client knows nothing of
// epochs: all it can do about a wrong one is to start again.
func (cg *consumerGroup) mayCommitInTransaction(r coord.Request, req *kmsg.TxnOffsetCommitRequest) error {
	if req.Generation < 0 && (len(cg.members) == 0 || req.MemberID == "" && req.InstanceID == nil) {
		return nil
	}
	m := cg.members[req.MemberID]
	if m == nil {
		return kerr.UnknownMemberID
	}
	err := m.mayCommit(req.Generation, func(yield func(topicPartition) bool) {
		for _, t := range req.Topics {
			known := resolve(r.Topics, req.Version >= 6, t.Topic, t.TopicID)
			for _, p := range t.Partitions {
				if known.err == nil && !yield(topicPartition{known.id, p.Partition}) {
					return
				}
			}
		}
	})
	if err != nil {
		return kerr.IllegalGeneration
	}
	return nil
}

func (m *consumerMember) mayCommit(epoch int32, each func(func(topicPartition) bool)) error {
	stale := error(kerr.StaleMemberEpoch)
	if m.classic != nil {
		stale = kerr.IllegalGeneration
	}
	switch {
	case epoch == m.epoch:
		return nil
	case epoch > m.epoch || epoch < 0:
		return stale
	}
	for tp := range each {
		if since, ok := m.heldSince(tp); !ok || since > epoch {
			return stale
		}
	}
	return nil
}

// mayFetch decides whether a fetch of offsets that names a member, or nobody, may be
// answered. Only consumer groups ask.
func (g *group) mayFetch(id *string, epoch int32) error {
	if g == nil || g.consumers == nil || id == nil && epoch < 0 {
		return nil
	}
	m := g.consumers.members[text(id)]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case epoch == m.epoch:
		return nil
	case m.classic != nil:
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}
