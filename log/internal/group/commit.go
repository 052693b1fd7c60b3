package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// OffsetCommit, versions 2-10. 2-4: a retention of its own. 6: leader epochs
// (KIP-320). 7: static members. 9: members of the consumer protocol (KIP-848); an
// unknown group is GROUP_ID_NOT_FOUND. 10: topic ids instead of names.

func (c *Core) commit(r coord.Request, req *kmsg.OffsetCommitRequest) {
	g, err := c.commitGroup(r, req)
	resp := commitResponse(req, r.Topics, func(t topicInfo, p kmsg.OffsetCommitRequestTopicPartition) int16 {
		if err := c.checkOffset(t, p.Partition, p.Metadata, err); err != nil {
			return code(err)
		}
		o := committed{offset: p.Offset, leaderEpoch: p.LeaderEpoch, metadata: text(p.Metadata),
			commitMs: c.wall(), expireMs: -1, topicID: t.id}
		if req.Version <= 4 && req.RetentionTimeMillis >= 0 {
			o.expireMs = o.commitMs + req.RetentionTimeMillis
		}
		c.noteOffset(offsetKey{req.Group, t.name, p.Partition}, &o)
		g.store(t.name, p.Partition, o)
		return 0
	})
	if g != nil {
		c.append(g)
		c.tidy(g)
	}
	c.reply(g, r, resp)
}

// commitResponse answers every partition of a commit with what one gives for it.
func commitResponse(req *kmsg.OffsetCommitRequest, topics coord.Topics, one func(topicInfo, kmsg.OffsetCommitRequestTopicPartition) int16) *kmsg.OffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	resp.Topics = []kmsg.OffsetCommitResponseTopic{}
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID, rt.Partitions = t.Topic, t.TopicID, []kmsg.OffsetCommitResponseTopicPartition{}
		known := resolve(topics, req.Version >= 10, t.Topic, t.TopicID)
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, one(known, p)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// commitGroup is the group that may take the commit, made if a client that manages
// itself is the first to name it, or why there is none. Old clients that were given no
// group commit for the one without a name: nobody can join it, and it has offsets like
// any other.
func (c *Core) commitGroup(r coord.Request, req *kmsg.OffsetCommitRequest) (*group, error) {
	g := c.groups[req.Group]
	switch {
	case g == nil && req.Generation < 0:
		return c.group(req.Group), c.checkCommitSize(req)
	case g == nil && req.Version >= 9:
		return nil, kerr.GroupIDNotFound
	case g == nil:
		return nil, kerr.IllegalGeneration
	}
	if g.consumers != nil {
		if err := g.consumers.mayCommit(r, req); err != nil {
			return g, err
		}
		return g, c.checkCommitSize(req)
	}
	m, err := g.mayCommit(req.MemberID, req.InstanceID, req.Generation, false)
	if err != nil {
		return g, err
	}
	if m != nil {
		c.touch(g, m)
	}
	return g, c.checkCommitSize(req)
}

// checkCommitSize bounds the records of a commit before any of them is made.
func (c *Core) checkCommitSize(req *kmsg.OffsetCommitRequest) error {
	size := 0
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			size += offsetRecordOverhead + len(req.Group) + len(t.Topic) + len(text(p.Metadata))
		}
	}
	if size > c.cfg.MaxCommitBytes {
		return kerr.InvalidCommitOffsetSize
	}
	return nil
}

// mayCommit says who commits: a member, or nobody (nil) if the group is empty or, in
// a transaction, the client's protocol is older than KIP-447.
func (g *group) mayCommit(memberID string, instance *string, generation int32, inTxn bool) (*member, error) {
	if generation < 0 && g.state == Empty {
		return nil, nil
	}
	if generation < 0 && memberID == "" && instance == nil {
		if inTxn {
			return nil, nil
		}
		return nil, kerr.UnknownMemberID
	}
	m, err := g.validate(memberID, instance)
	switch {
	case err != nil:
		return nil, err
	case generation != g.generation:
		return nil, kerr.IllegalGeneration
	case !inTxn && g.state == CompletingRebalance:
		return nil, kerr.RebalanceInProgress
	}
	return m, nil
}

// checkOffset decides over one partition of a commit; what is wrong with the
// partition goes before what is wrong with the request.
func (c *Core) checkOffset(t topicInfo, partition int32, metadata *string, err error) error {
	switch {
	case t.err != nil:
		return t.err
	case partition < 0 || partition >= t.partitions:
		return kerr.UnknownTopicOrPartition
	case err != nil:
		return err
	case len(text(metadata)) > c.cfg.MaxMetadataBytes:
		return kerr.OffsetMetadataTooLarge
	}
	return nil
}

// topicInfo is a topic of a request as the metadata knows it.
type topicInfo struct {
	name       string
	id         [16]byte
	partitions int32
	err        error
}

// resolve looks a topic up by id or by name.
func resolve(topics coord.Topics, byID bool, name string, id [16]byte) topicInfo {
	if topics == nil && byID {
		return topicInfo{err: kerr.UnknownTopicID}
	}
	if topics == nil {
		return topicInfo{name: name, partitions: 1<<31 - 1}
	}
	if byID {
		var ok bool
		if name, ok = topics.Name(id); !ok {
			return topicInfo{err: kerr.UnknownTopicID}
		}
	}
	id, n, ok := topics.Topic(name)
	if !ok {
		return topicInfo{err: kerr.UnknownTopicOrPartition}
	}
	return topicInfo{name: name, id: id, partitions: n}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
