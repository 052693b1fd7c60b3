package group

import "time"

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

// forgetProducers drops the epochs of producers that have been idle for long.
func (c *Core) forgetProducers() {
	for id, p := range c.producers {
		if !p.open && c.now-p.lastUsed >= producerRetention {
			delete(c.producers, id)
		}
	}
	c.timers.Set(timerKey{kind: producerTimer}, c.now+producerRetention/24)
}
