package group

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/log/internal/coord"
)

// Times is what was set for the members of one group of the consumer protocol, zero
// where nothing was.
type Times struct {
	Session   time.Duration // consumer.session.timeout.ms
	Heartbeat time.Duration // consumer.heartbeat.interval.ms
}

// Settings are the configs that were set for single groups. The coordinator's view of
// the metadata has them if it implements this.
type Settings interface {
	GroupTimes(group string) Times
}

// Check says why the node's bounds do not allow what is to be set for a group.
func (c Config) Check(set Times) error {
	set = c.fill(set)
	for _, b := range []struct {
		key             string
		value, min, max time.Duration
		bounds          string
	}{
		{"consumer.session.timeout.ms", set.Session, c.ConsumerMinSession, c.ConsumerMaxSession, "session.timeout.ms"},
		{"consumer.heartbeat.interval.ms", set.Heartbeat, c.ConsumerMinHeartbeat, c.ConsumerMaxHeartbeat, "heartbeat.interval.ms"},
	} {
		switch v := b.value.Milliseconds(); {
		case b.value < b.min:
			return fmt.Errorf("%s=%d is less than %d, the nodes' group.consumer.min.%s", b.key, v, b.min.Milliseconds(), b.bounds)
		case b.value > b.max:
			return fmt.Errorf("%s=%d is more than %d, the nodes' group.consumer.max.%s", b.key, v, b.max.Milliseconds(), b.bounds)
		}
	}
	if set.Session <= set.Heartbeat {
		return fmt.Errorf("consumer.session.timeout.ms=%d must be more than consumer.heartbeat.interval.ms=%d, or members are removed between two heartbeats",
			set.Session.Milliseconds(), set.Heartbeat.Milliseconds())
	}
	return nil
}

// fill puts what the node has for all groups in the place of what was not set.
func (c Config) fill(set Times) Times {
	if set.Session == 0 {
		set.Session = c.ConsumerSession
	}
	if set.Heartbeat == 0 {
		set.Heartbeat = c.ConsumerHeartbeat
	}
	return set
}

// effective is what holds for a group. A node may have been given other bounds, or
// other times for all groups, since something was set: what is outside of the bounds is
// brought inside, and heartbeats stay more frequent than sessions are long.
func (c Config) effective(set Times) Times {
	t := c.fill(set)
	t.Session = min(max(t.Session, c.ConsumerMinSession), c.ConsumerMaxSession)
	t.Heartbeat = min(max(t.Heartbeat, c.ConsumerMinHeartbeat), c.ConsumerMaxHeartbeat)
	if t.Heartbeat >= t.Session {
		t.Heartbeat = max(t.Session/3, time.Millisecond)
	}
	return t
}

// learn takes over what was set for groups, if the metadata has it.
func (c *Core) learn(topics coord.Topics) {
	if s, ok := topics.(Settings); ok {
		c.settings = s
	}
}

// times are those of a group's members.
func (c *Core) times(g *group) Times {
	var set Times
	if c.settings != nil {
		set = c.settings.GroupTimes(g.id)
	}
	return c.cfg.effective(set)
}
