package log

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/log/internal/group"
)

// GroupOptions is how groups of consumers behave. The zero value means the defaults.
// What a node uses is among the configs of its broker, by Kafka's names.
type GroupOptions struct {
	// MaxSize is the number of members that a group takes, of either protocol; one more
	// is answered GROUP_MAX_SIZE_REACHED (Kafka's group.max.size and
	// group.consumer.max.size). 0 means 10 000; Kafka has no bound unless it is set.
	MaxSize int
	// ConsumerSession is how long a member of the consumer protocol (KIP-848) may be
	// silent until it is removed (group.consumer.session.timeout.ms); 0 means 45 s.
	ConsumerSession time.Duration
	// ConsumerHeartbeat is how often such a member is told to be heard of
	// (group.consumer.heartbeat.interval.ms); 0 means 5 s. A rebalance takes a few of
	// these intervals, since members learn what to give up and get by their heartbeats.
	ConsumerHeartbeat time.Duration
	// ConsumerMinSession to ConsumerMaxHeartbeat bound what clients may set for a single
	// group of that protocol (group.consumer.min.session.timeout.ms and so on); 0 means
	// 45 s, 60 s, 5 s and 15 s, or what all groups have if that is outside of it.
	ConsumerMinSession, ConsumerMaxSession     time.Duration
	ConsumerMinHeartbeat, ConsumerMaxHeartbeat time.Duration
	// InitialDelay is the quiet time that the first rebalance of an empty classic group
	// waits for (group.initial.rebalance.delay.ms); 0 means 100 ms, negative none.
	InitialDelay time.Duration
	// MinSession and MaxSession bound the sessions that members of classic groups may ask
	// for (group.min.session.timeout.ms, group.max.session.timeout.ms); 0 means 6 s and
	// 30 min.
	MinSession, MaxSession time.Duration
	// MaxMetadataBytes bounds the metadata of a committed offset
	// (offset.metadata.max.bytes); 0 means 4096.
	MaxMetadataBytes int
	// OffsetsCheck is how often to look for offsets that have expired
	// (offsets.retention.check.interval.ms); 0 means 10 min.
	OffsetsCheck time.Duration
}

// check reports what cannot be, or cannot work: members that are heard of less often
// than they must be.
func (g *GroupOptions) check() error {
	c := g.config(group.Config{}).WithDefaults()
	switch {
	case g.MaxSize < 0:
		return fmt.Errorf("Groups.MaxSize is %d: a group takes at least one member, or 0 for the default", g.MaxSize)
	case g.MaxMetadataBytes < 0 || g.OffsetsCheck < 0:
		return fmt.Errorf("Groups.MaxMetadataBytes is %d, OffsetsCheck %v: neither can be negative", g.MaxMetadataBytes, g.OffsetsCheck)
	case g.MinSession < 0 || c.MaxSession < c.MinSession:
		return fmt.Errorf("Groups.MinSession is %v, MaxSession %v: the longest session cannot be shorter than the shortest", c.MinSession, c.MaxSession)
	case g.ConsumerSession < 0 || g.ConsumerHeartbeat < 0:
		return fmt.Errorf("Groups.ConsumerSession is %v, ConsumerHeartbeat %v: neither can be negative", g.ConsumerSession, g.ConsumerHeartbeat)
	case c.ConsumerHeartbeat < time.Millisecond || c.ConsumerHeartbeat >= c.ConsumerSession:
		return fmt.Errorf("Groups.ConsumerHeartbeat is %v, ConsumerSession %v: heartbeats must be at least a millisecond apart and come more often than a session lasts",
			c.ConsumerHeartbeat, c.ConsumerSession)
	case g.ConsumerMinSession < 0 || c.ConsumerSession < c.ConsumerMinSession || c.ConsumerSession > c.ConsumerMaxSession:
		return fmt.Errorf("Groups.ConsumerSession is %v, not between ConsumerMinSession, %v, and ConsumerMaxSession, %v", c.ConsumerSession, c.ConsumerMinSession, c.ConsumerMaxSession)
	case g.ConsumerMinHeartbeat < 0 || c.ConsumerHeartbeat < c.ConsumerMinHeartbeat || c.ConsumerHeartbeat > c.ConsumerMaxHeartbeat:
		return fmt.Errorf("Groups.ConsumerHeartbeat is %v, not between ConsumerMinHeartbeat, %v, and ConsumerMaxHeartbeat, %v", c.ConsumerHeartbeat, c.ConsumerMinHeartbeat, c.ConsumerMaxHeartbeat)
	}
	return nil
}

// config is base with what is set here.
func (g *GroupOptions) config(base group.Config) group.Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&base.ConsumerSession, g.ConsumerSession},
		{&base.ConsumerHeartbeat, g.ConsumerHeartbeat},
		{&base.ConsumerMinSession, g.ConsumerMinSession},
		{&base.ConsumerMaxSession, g.ConsumerMaxSession},
		{&base.ConsumerMinHeartbeat, g.ConsumerMinHeartbeat},
		{&base.ConsumerMaxHeartbeat, g.ConsumerMaxHeartbeat},
		{&base.InitialDelay, g.InitialDelay},
		{&base.MinSession, g.MinSession},
		{&base.MaxSession, g.MaxSession},
		{&base.OffsetsCheck, g.OffsetsCheck},
	} {
		if d.value != 0 {
			*d.field = d.value
		}
	}
	if g.MaxSize != 0 {
		base.MaxSize = g.MaxSize
	}
	if g.MaxMetadataBytes != 0 {
		base.MaxMetadataBytes = g.MaxMetadataBytes
	}
	return base
}
