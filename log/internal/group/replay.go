package group

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// Replay takes over a committed record of the partition; records come in offset
// order, before the first Step. It makes the change that the step made which appended
// the record. Records of kinds that it does not know are skipped and counted: a newer
// release may have written them, and the other groups need not suffer.
func (c *Core) Replay(r coord.Record) error {
	c.position = r.Offset
	if r.Control {
		for _, g := range c.decide(r.ProducerID, r.ProducerEpoch, r.CoordinatorEpoch, r.Commit) {
			c.tidy(g)
		}
		return nil
	}
	if r.Transactional {
		p := c.producer(r.ProducerID)
		p.epoch, p.open = max(p.epoch, r.ProducerEpoch), true
	}
	k, isGroup, unknown, err := decodeKey(r.Key)
	switch {
	case err != nil:
		return fmt.Errorf("replay offset %d: %w", r.Offset, err)
	case isConsumerKey(unknown):
		k.group, err = c.replayConsumer(unknown, r.Key, r.Value)
	case unknown != 0:
		c.skipped++
		return nil
	case isGroup:
		err = c.replayMetadata(k.group, r.Value)
	default:
		err = c.replayOffset(k, r)
	}
	if err != nil {
		return fmt.Errorf("replay offset %d of group %q: %w", r.Offset, k.group, err)
	}
	return nil
}

// Skipped is the number of replayed records of unknown kinds.
func (c *Core) Skipped() int { return c.skipped }

func (c *Core) replayOffset(k offsetKey, r coord.Record) error {
	if r.Value == nil {
		c.dropPending(k)
		if g := c.groups[k.group]; g != nil {
			g.drop(k.topic, k.partition)
			c.tidy(g)
		}
		return nil
	}
	o, err := decodeOffset(r.Value)
	if err != nil {
		return err
	}
	o.position = r.Offset
	g := c.group(k.group)
	if r.Transactional {
		c.addPending(r.ProducerID, r.ProducerEpoch, k, o)
		return nil
	}
	g.store(k.topic, k.partition, o)
	return nil
}

func (c *Core) replayMetadata(id string, value []byte) error {
	if value == nil {
		if g := c.groups[id]; g != nil {
			g.become(kmsg.GroupMetadataValue{})
			g.written = false
			c.tidy(g)
		}
		return nil
	}
	v, err := decodeMetadata(value)
	if err != nil {
		return err
	}
	g := c.group(id)
	g.become(v)
	g.written = true
	return nil
}

// become takes over a generation as it was written. A group with members is stable:
// only assigned generations are written.
func (g *group) become(v kmsg.GroupMetadataValue) {
	g.members, g.static = nil, map[string]*member{}
	g.generation, g.protocolType = v.Generation, v.ProtocolType
	g.protocol, g.leader, g.stateMs = text(v.Protocol), "", v.CurrentStateTimestamp
	g.state = Empty
	for _, vm := range v.Members {
		g.add(&member{
			id: vm.MemberID, instance: vm.InstanceID, clientID: vm.ClientID, host: vm.ClientHost,
			session:          millis(vm.SessionTimeoutMillis),
			rebalanceTimeout: millis(max(vm.RebalanceTimeoutMillis, 0)),
			protocols:        []kmsg.JoinGroupRequestProtocol{{Name: g.protocol, Metadata: vm.Subscription}},
			assignment:       vm.Assignment,
		})
		g.state = Stable
	}
	if leader := g.member(text(v.Leader)); leader != nil {
		g.leader = leader.id
	}
}

// begin starts the clocks of what was replayed. Everybody gets a whole session: how
// much of it had passed is not known.
func (c *Core) begin(now time.Duration) {
	c.begun = true
	for _, id := range c.sortedIDs() {
		g := c.groups[id]
		c.settle(g)
		for _, m := range g.members {
			c.touch(g, m)
		}
	}
	for _, p := range c.producers {
		p.lastUsed = now
	}
	c.timers.Set(timerKey{kind: producerTimer}, now+producerRetention/24)
	if c.cfg.OffsetsRetention >= 0 {
		c.timers.Set(timerKey{kind: expiryTimer}, now+c.cfg.OffsetsCheck)
	}
}
