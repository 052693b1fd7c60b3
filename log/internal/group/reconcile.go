package group

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/log/internal/coord"
)

// ownership is what a heartbeat says that the member has: nil if it does not say.
type ownership map[topicPartition]struct{}

// hasAnyOf reports whether the member still has one of the partitions, or has not
// said.
func (o ownership) hasAnyOf(p partitions) bool {
	if o == nil {
		return true
	}
	for tp := range p {
		if _, ok := o[tp]; ok {
			return true
		}
	}
	return false
}

// within reports whether the member has nothing but these partitions, and has said so.
func (o ownership) within(p partitions) bool {
	if o == nil {
		return false
	}
	for tp := range o {
		if !p.has(tp) {
			return false
		}
	}
	return true
}

// reconcile brings a member as near to the target as it can come now, and notes where
// it stands. resubscribed says that what the member subscribes to has changed, which
// takes from it what it does not read any more even where the target is as it was.
func (c *Core) reconcile(g *group, m *consumerMember, owned ownership, resubscribed bool, topics coord.Topics) {
	if !resubscribed && m.reached(g.consumers.targetEpoch) {
		return
	}
	if next := g.consumers.next(m, owned, resubscribed, topics); !next.equal(&m.standing) {
		c.stand(g, m, next)
	}
}

// next is where the member can stand, given what it has given up.
func (cg *consumerGroup) next(m *consumerMember, owned ownership, resubscribed bool, topics coord.Topics) standing {
	switch {
	case m.state == memberStable && m.epoch == cg.targetEpoch,
		m.state == memberUnrevoked && owned.hasAnyOf(m.revoking):
		if resubscribed {
			return cg.shrink(m, owned, topics)
		}
		return m.standing
	}
	return cg.advance(m, owned, topics)
}

// advance goes towards the target: give up first, then enter its epoch and take what
// is free.
func (cg *consumerGroup) advance(m *consumerMember, owned ownership, topics coord.Topics) standing {
	wanted := cg.wanted(m, topics)
	keep, give := partitions{}, partitions{}
	for tp, since := range m.assigned {
		if wanted.has(tp) {
			keep[tp] = since
		} else {
			give[tp] = since
		}
	}
	if len(give) > 0 && owned.hasAnyOf(give) {
		return standing{epoch: m.epoch, previous: m.epoch, state: memberUnrevoked, assigned: keep, revoking: give}
	}
	next := standing{epoch: cg.targetEpoch, previous: m.epoch, state: memberStable, assigned: keep, revoking: partitions{}}
	for tp := range wanted {
		switch {
		case keep.has(tp):
		case cg.free(tp, m):
			keep[tp] = cg.targetEpoch
		default:
			next.state = memberUnreleased
		}
	}
	return next
}

// wanted is the part of the target that the member still subscribes to.
func (cg *consumerGroup) wanted(m *consumerMember, topics coord.Topics) partitions {
	ids := cg.subscribedIDs(m, topics)
	wanted := partitions{}
	for tp := range cg.target[m.id] {
		if _, ok := slices.BinarySearchFunc(ids, tp.topic, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }); ok {
			wanted[tp] = 0
		}
	}
	return wanted
}

// shrink takes from the member the topics that it does not subscribe to any more.
func (cg *consumerGroup) shrink(m *consumerMember, owned ownership, topics coord.Topics) standing {
	ids := cg.subscribedIDs(m, topics)
	keep, give := partitions{}, partitions{}
	maps.Copy(give, m.revoking)
	for tp, since := range m.assigned {
		if _, ok := slices.BinarySearchFunc(ids, tp.topic, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }); ok {
			keep[tp] = since
		} else {
			give[tp] = since
		}
	}
	next := standing{epoch: m.epoch, previous: m.previous, state: m.state, assigned: keep, revoking: m.revoking}
	if len(keep) == len(m.assigned) {
		return next
	}
	next.previous = m.epoch
	if owned.hasAnyOf(give) {
		next.state, next.revoking = memberUnrevoked, give
	}
	return next
}

// stand puts a member where it can stand, and sets the time that it has to give up
// what it must.
func (c *Core) stand(g *group, m *consumerMember, next standing) {
	g.consumers.disown(m)
	m.standing = next
	g.consumers.own(m)
	c.note(consumerKey(memberStandingKey, g.id, m.id), standingValue(&m.standing))
	key := timerKey{revokeTimer, g.id, m.id}
	switch {
	case m.classic != nil: // it has a time to join and a time to sync instead
	case m.state == memberUnrevoked:
		c.timers.Set(key, c.now+m.rebalanceTimeout)
	default:
		c.timers.Clear(key)
	}
}
