package group

import (
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

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
