package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// TxnOffsetCommit, versions 0-6. 2: leader epochs. 3: member, generation and instance,
// so that a consumer that lost its partitions cannot commit for them (KIP-447). 5:
// the partition of __consumer_offsets joins the transaction implicitly (KIP-890),
// which the broker has seen to before the request gets here. 6: topic ids instead of
// names.

// producerRetention is how long the epoch of an idle producer is remembered, as for
// every partition (producer.id.expiration.ms).
const producerRetention = 24 * time.Hour

// producer is what the partition knows of a transactional producer: its epoch, so
// that an older one cannot commit, and what its open transaction has committed.
type producer struct {
	epoch            int16
	coordinatorEpoch int32 // of the last marker, -1 before the first
	open             bool  // a transaction has written here and is not decided
	offsets          map[offsetKey]committed
	lastUsed         time.Duration
}

func (c *Core) txnCommit(r coord.Request, req *kmsg.TxnOffsetCommitRequest) {
	g, err := c.txnCommitGroup(req)
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

func (c *Core) txnCommitGroup(req *kmsg.TxnOffsetCommitRequest) (*group, error) {
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
	_, err := g.mayCommit(req.MemberID, req.InstanceID, req.Generation, true)
	return g, err
}

// addPending keeps an offset until its transaction is decided.
func (c *Core) addPending(id int64, epoch int16, k offsetKey, o committed) {
	p := c.producer(id)
	p.epoch, p.open = max(p.epoch, epoch), true
	if _, ok := p.offsets[k]; !ok {
		c.pending[k]++
		c.pendingGroups[k.group]++
	}
	p.offsets[k] = o
}

// dropPending takes an offset out of every open transaction and reports whether there
// was one.
func (c *Core) dropPending(k offsetKey) bool {
	if c.pending[k] == 0 {
		return false
	}
	for _, p := range c.producers {
		if _, ok := p.offsets[k]; ok {
			delete(p.offsets, k)
			c.unpend(k)
		}
	}
	return true
}

func (c *Core) unpend(k offsetKey) {
	decrement(c.pending, k)
	decrement(c.pendingGroups, k.group)
}

func decrement[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

func (c *Core) producer(id int64) *producer {
	p := c.producers[id]
	if p == nil {
		p = &producer{epoch: -1, coordinatorEpoch: -1, offsets: map[offsetKey]committed{}}
		c.producers[id] = p
	}
	p.lastUsed = c.now
	return p
}

// writeMarker appends the end of a transaction and decides its offsets. A marker that
// was written before (the coordinator did not hear of it, or has been replaced) is a
// success without a record: KAFKA-19999 left transactions hanging for ever over that.
// One of version 2 whose epoch the open transaction has already belongs to the
// transaction before and comes twice (KIP-1228).
func (c *Core) writeMarker(in WriteMarker) {
	m := in.Marker
	p := c.producers[m.ProducerID]
	switch {
	case p != nil && (m.ProducerEpoch < p.epoch || m.CoordinatorEpoch < p.coordinatorEpoch),
		p != nil && m.ProducerEpoch == p.epoch && p.open && m.Version >= 2:
		c.out.Add(core.Reply{ID: in.ID, Response: coord.ErrMarkerFenced})
		return
	case p != nil && m.ProducerEpoch == p.epoch && !p.open:
		c.out.AddAfter(c.token, core.Reply{ID: in.ID})
		return
	}
	c.token++
	c.position++
	c.out.Add(core.Append{Token: c.token, Batch: coord.EncodeMarker(c.wall(), m)})
	for _, g := range c.decide(m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch, m.Commit) {
		g.token = c.token
		c.tidy(g)
	}
	c.out.AddAfter(c.token, core.Reply{ID: in.ID})
}

// decide ends a producer's transaction: its offsets become visible or are dropped. It
// returns the groups concerned, in no order.
func (c *Core) decide(id int64, epoch int16, coordinatorEpoch int32, commit bool) []*group {
	p := c.producer(id)
	p.epoch, p.coordinatorEpoch, p.open = max(p.epoch, epoch), max(p.coordinatorEpoch, coordinatorEpoch), false
	changed := map[*group]bool{}
	for k, o := range p.offsets {
		c.unpend(k)
		g := c.groups[k.group]
		if g == nil && commit {
			g = c.group(k.group)
		}
		if g == nil {
			continue
		}
		if commit {
			g.store(k.topic, k.partition, o)
		}
		changed[g] = true
	}
	clear(p.offsets)
	groups := make([]*group, 0, len(changed))
	for g := range changed {
		groups = append(groups, g)
	}
	return groups
}

// forgetProducers drops the epochs of producers that have been idle for long.
func (c *Core) forgetProducers() {
	for id, p := range c.producers {
		if !p.open && c.now-p.lastUsed >= producerRetention {
			delete(c.producers, id)
		}
	}
	c.timers.Set(timerKey{kind: producerTimer}, c.now+producerRetention/24)
}
