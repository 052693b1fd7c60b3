package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// TxnOffsetCommit, versions 0-6. 2: leader epochs. 3: member, generation and instance,
// so that a consumer that lost its partitions cannot commit for them (KIP-447). 5:
// the partition of __consumer_offsets joins the transaction implicitly (KIP-890),
// which the broker has seen to before the request gets here. 6: topic ids instead of
// names.

func (c *Core) txnCommit(r coord.Request, req *kmsg.TxnOffsetCommitRequest) {
	g, err := c.txnCommitGroup(r, req)
	resp := txnCommitResponse(req, r.Topics, func(t topicInfo, p kmsg.TxnOffsetCommitRequestTopicPartition) int16 {
		if err := c.checkOffset(t, p.Partition, p.Metadata, err); err != nil {
			return code(err)
		}
		o := committed{offset: p.Offset, leaderEpoch: p.LeaderEpoch, metadata: text(p.Metadata),
			commitMs: c.wall(), expireMs: -1, topicID: t.id}
		k := offsetKey{req.Group, t.name, p.Partition}
		c.noteOffset(k, &o)
		c.addPending(req.ProducerID, req.ProducerEpoch, k, o)
		return 0
	})
	if len(c.batch) > 0 {
		c.emit(coord.Batch{TimestampMs: c.wall(), ProducerID: req.ProducerID,
			ProducerEpoch: req.ProducerEpoch, Transactional: true, Records: c.batch}, g)
	}
	if g != nil {
		c.tidy(g)
	}
	c.reply(g, r, resp)
}

// txnCommitResponse answers every partition of a commit with what one gives for it.
func txnCommitResponse(req *kmsg.TxnOffsetCommitRequest, topics coord.Topics, one func(topicInfo, kmsg.TxnOffsetCommitRequestTopicPartition) int16) *kmsg.TxnOffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	resp.Topics = []kmsg.TxnOffsetCommitResponseTopic{}
	for _, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID, rt.Partitions = t.Topic, t.TopicID, []kmsg.TxnOffsetCommitResponseTopicPartition{}
		known := resolve(topics, req.Version >= 6, t.Topic, t.TopicID)
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, one(known, p)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Core) txnCommitGroup(r coord.Request, req *kmsg.TxnOffsetCommitRequest) (*group, error) {
	if req.Group == "" {
		return nil, kerr.InvalidGroupID
	}
	if req.ProducerID < 0 || req.ProducerEpoch < 0 {
		return nil, kerr.InvalidProducerIDMapping
	}
	size := 0
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			size += offsetRecordOverhead + len(req.Group) + len(t.Topic) + len(text(p.Metadata))
		}
	}
	if size > c.cfg.MaxCommitBytes {
		return nil, kerr.InvalidCommitOffsetSize
	}
	if p := c.producers[req.ProducerID]; p != nil && req.ProducerEpoch < p.epoch {
		return nil, kerr.InvalidProducerEpoch
	}
	g := c.groups[req.Group]
	if g == nil {
		if req.Generation >= 0 {
			return nil, kerr.IllegalGeneration
		}
		return c.group(req.Group), nil
	}
	if g.consumers != nil {
		return g, g.consumers.mayCommitInTransaction(r, req)
	}
	_, err := g.mayCommit(req.MemberID, req.InstanceID, req.Generation, true)
	return g, err
}
