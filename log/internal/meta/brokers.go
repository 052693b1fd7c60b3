package meta

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// producerIDBlock is how many producer ids a broker gets at a time, as in Kafka: a
// restart wastes what is left of them, and 2^63 are plenty.
const producerIDBlock = 1000

// registerBroker decides on a registration. In the same batch it makes the log's
// own topics if they are not there yet, and raises the leader epoch of every
// partition that the node is to lead.
func (c *Controller) registerBroker(req RegisterBroker) ([]Record, error) {
	b := req.Broker
	old := c.image.Broker(b.NodeID)
	if err := c.checkRegistration(&b, old, req.KnownEpoch); err != nil {
		return nil, err
	}
	b.Epoch = 0
	records := []Record{&b}
	for t := range values(c.image.topics) {
		for _, p := range t.Partitions {
			if next := rejoin(p, old, &b); next != nil {
				records = append(records, next)
			}
		}
	}
	return c.internalTopics(records, &b)
}

func (c *Controller) checkRegistration(b, old *Broker, known int64) error {
	switch {
	case b.NodeID < 1:
		return refuse(kerr.InvalidRequest, "node ids start at 1, not %d", b.NodeID)
	case b.Directory.IsZero() || b.Incarnation.IsZero():
		return refuse(kerr.InvalidRequest, "node %d registers without directory id or incarnation", b.NodeID)
	case old != nil && old.Directory != b.Directory:
		return refuse(kerr.DuplicateBrokerRegistration, "node id %d belongs to data directory %s, this one is %s: give this node another id",
			b.NodeID, old.Directory, b.Directory)
	case old == nil && known != 0 || old != nil && known != old.Epoch:
		return refuse(kerr.StaleBrokerEpoch, "node %d was registered since epoch %d, or never", b.NodeID, known)
	}
	level := c.image.Feature(FeatureVersion)
	for _, f := range b.Features {
		if f.Name == FeatureVersion && f.Min <= level && level <= f.Max {
			return nil
		}
	}
	return refuse(kerr.UnsupportedVersion, "node %d cannot run at %s %d, which is finalized", b.NodeID, FeatureVersion, level)
}

// internalConfigs are those of the log's own topics: compacted, in segments that
// are small, because what stands in the last one is read at every start.
var internalConfigs = []ConfigValue{{Key: "cleanup.policy", Value: "compact"}, {Key: "segment.bytes", Value: "16777216"}}

// internalTopics appends the log's own topics, which are placed on the first node.
func (c *Controller) internalTopics(records []Record, b *Broker) ([]Record, error) {
	registered, err := c.image.Apply(c.image.Index()+1, records)
	if err != nil {
		return nil, err
	}
	before := c.image
	c.image = registered
	defer func() { c.image = before }()
	for _, name := range []string{OffsetsTopic, TransactionsTopic} {
		if c.image.TopicByName(name) != nil {
			continue
		}
		_, topic, err := c.createTopic(NewTopic{Name: name, Partitions: InternalPartitions, ReplicationFactor: 1,
			Configs: internalConfigs}, true)
		if err != nil {
			return nil, err
		}
		records = append(records, topic...)
	}
	return records, nil
}

// rejoin is the state of a partition after a node that may hold a copy of it has
// started again, or nil if it does not change.
//
// A node that did not stop in order and does not sync before it acknowledges may
// have lost the end of what it acknowledged: if others are in sync, it is so no
// longer (KIP-966). A copy that is the only one stays what it is.
func rejoin(p *Partition, old, b *Broker) *Partition {
	if !slices.ContainsFunc(p.Replicas, func(r Replica) bool { return r.NodeID == b.NodeID && r.Directory == b.Directory }) {
		return nil
	}
	next := *p
	clean := old != nil && (b.PreviousEpoch == old.Epoch || old.SyncPolicy == "always")
	if !clean && len(p.ISR) > 1 {
		next.ISR = without(p.ISR, b.NodeID)
	}
	if !clean {
		next.ELR = without(p.ELR, b.NodeID)
	}
	electLeader(&next, b.NodeID)
	if next.LeaderEpoch == p.LeaderEpoch && len(next.ISR) == len(p.ISR) && len(next.ELR) == len(p.ELR) {
		return nil
	}
	next.Epoch++
	return &next
}

// electLeader gives a partition that the node led, or that nobody leads, a leader
// of the ISR, and a new leader epoch even if that is the same node: it is a new
// writer, with a log that may be shorter than the one before.
func electLeader(p *Partition, node int32) {
	if p.Leader != node && p.Leader != -1 {
		return
	}
	leader := int32(-1)
	for _, r := range p.Replicas {
		if slices.Contains(p.ISR, r.NodeID) {
			leader = r.NodeID
			break
		}
	}
	if slices.Contains(p.ISR, node) {
		leader = node
	}
	p.Leader = leader
	p.LeaderEpoch++
}

func without(nodes []int32, node int32) []int32 {
	return slices.DeleteFunc(slices.Clone(nodes), func(n int32) bool { return n == node })
}

// alterPartition decides on a change of the ISR.
func (c *Controller) alterPartition(req AlterPartition) (any, []Record) {
	p := c.image.Partition(req.Topic, req.Index)
	if err := c.checkAlteration(req, p); err != nil {
		return asRefusal(err), nil
	}
	next := *p
	next.ISR = slices.Sorted(slices.Values(req.ISR))
	next.ELR = eligible(p, next.ISR, c.image.Topic(req.Topic).MinInSync())
	next.Epoch++
	return &next, []Record{&next}
}

func (c *Controller) checkAlteration(req AlterPartition, p *Partition) error {
	if err := c.checkBrokerEpoch(req.NodeID, req.BrokerEpoch); err != nil {
		return err
	}
	switch {
	case p == nil:
		return refuse(kerr.UnknownTopicID, "no partition %d of topic %s", req.Index, req.Topic)
	case p.Leader != req.NodeID || p.LeaderEpoch != req.LeaderEpoch:
		return refuse(kerr.FencedLeaderEpoch, "node %d leads it in epoch %d, not node %d in %d", p.Leader, p.LeaderEpoch, req.NodeID, req.LeaderEpoch)
	case p.Epoch != req.PartitionEpoch:
		return refuse(kerr.InvalidUpdateVersion, "the partition is at epoch %d, not %d", p.Epoch, req.PartitionEpoch)
	case !slices.Contains(req.ISR, req.NodeID):
		return refuse(kerr.InvalidRequest, "an ISR without its leader %d", req.NodeID)
	}
	for i, n := range req.ISR {
		known := slices.ContainsFunc(p.Replicas, func(r Replica) bool {
			b := c.image.Broker(n)
			return r.NodeID == n && b != nil && b.Directory == r.Directory
		})
		if !known || slices.Contains(req.ISR[:i], n) {
			return refuse(kerr.IneligibleReplica, "node %d is no replica, or is given twice", n)
		}
	}
	return nil
}

// eligible is the ELR after a change of the ISR: who leaves while too few are left
// stays eligible, because nothing more is committed without it.
func eligible(p *Partition, isr []int32, minInSync int) []int32 {
	if len(isr) >= minInSync {
		return nil
	}
	var elr []int32
	for _, n := range slices.Concat(p.ELR, p.ISR) {
		if !slices.Contains(isr, n) && !slices.Contains(elr, n) {
			elr = append(elr, n)
		}
	}
	slices.Sort(elr)
	return elr
}

func (c *Controller) checkBrokerEpoch(node int32, epoch int64) error {
	switch b := c.image.Broker(node); {
	case b == nil:
		return refuse(kerr.BrokerIDNotRegistered, "node %d is not registered", node)
	case b.Epoch != epoch:
		return refuse(kerr.StaleBrokerEpoch, "node %d has registered since, with epoch %d, not %d", node, b.Epoch, epoch)
	}
	return nil
}

func (c *Controller) allocateProducerIDs(req AllocateProducerIDs) (any, []Record) {
	if err := c.checkBrokerEpoch(req.NodeID, req.BrokerEpoch); err != nil {
		return asRefusal(err), nil
	}
	first := c.image.NextProducerID()
	if first > 1<<63-1-producerIDBlock {
		return refuse(kerr.UnknownServerError, "all producer ids are given out"), nil
	}
	return ProducerIDs{First: first, Count: producerIDBlock},
		[]Record{&ProducerIDBlock{Next: first + producerIDBlock, NodeID: req.NodeID, BrokerEpoch: req.BrokerEpoch}}
}
