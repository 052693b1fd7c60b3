package txn

import "github.com/millrace/millrace/log/internal/coord"

// expireIdle forgets the transactional ids that nobody has used for Config.Expiry.
func (c *Core) expireIdle() {
	c.timers.Set(timerKey{kind: expiryTimer}, c.now+expiryInterval)
	var tombstones []coord.KV
	for _, id := range c.sortedIDs() {
		t := c.txns[id]
		idle := t.state == Empty || t.state == CompleteCommit || t.state == CompleteAbort
		if !idle || c.wall()-t.updateMs < c.cfg.Expiry.Milliseconds() {
			continue
		}
		delete(c.txns, id)
		tombstones = append(tombstones, coord.KV{Key: recordKey(id)})
		if len(tombstones) == maxTombstones {
			c.appendRecords(tombstones...)
			tombstones = nil
		}
	}
	if len(tombstones) > 0 {
		c.appendRecords(tombstones...)
	}
}

// maxTombstones bounds one append, so that many ids expiring at once do not make one
// huge batch.
const maxTombstones = 1000
