package group

import "time"

// Config is how groups behave. The zero value means the defaults, which are
// Kafka's unless it says otherwise.
type Config struct {
	// InitialDelay is how long the first rebalance of an empty group waits for more
	// members after the last one that came (group.initial.rebalance.delay.ms); 0 means
	// 100 ms, negative none. Kafka waits 3 s from the first member on. That makes every
	// first start slow to spare a few rebalances; a quiet 100 ms are enough for members
	// that are started together, and a lone one does not notice.
	InitialDelay time.Duration
	// InitialDelayMax bounds that wait when members keep coming; 0 means 3 s.
	InitialDelayMax time.Duration
	// MinSession and MaxSession bound session.timeout.ms; 0 means 6 s and 30 min.
	MinSession, MaxSession time.Duration
	// NewMemberTimeout is how long a member may wait for its first rebalance to end
	// without a sign of life; 0 means 5 min.
	NewMemberTimeout time.Duration
	// ConsumerSession is how long a member of the consumer protocol may be silent
	// (group.consumer.session.timeout.ms); 0 means 45 s.
	ConsumerSession time.Duration
	// ConsumerHeartbeat is how often such a member is told to send heartbeats
	// (group.consumer.heartbeat.interval.ms); 0 means 5 s.
	ConsumerHeartbeat time.Duration
	// ConsumerMinSession to ConsumerMaxHeartbeat bound what can be set for a single group
	// (group.consumer.min.session.timeout.ms and so on); 0 means 45 s, 60 s, 5 s and 15 s,
	// or what all groups have if that is outside of it.
	ConsumerMinSession, ConsumerMaxSession     time.Duration
	ConsumerMinHeartbeat, ConsumerMaxHeartbeat time.Duration
	// OffsetsRetention is how long committed offsets are kept that nobody uses
	// (offsets.retention.minutes); 0 means 7 days, negative for ever.
	OffsetsRetention time.Duration
	// OffsetsCheck is how often to look for such offsets
	// (offsets.retention.check.interval.ms); 0 means 10 min.
	OffsetsCheck time.Duration
	// MaxSize is the number of members, joined or about to, that a group takes; 0
	// means 10 000. Kafka has no bound by default.
	MaxSize int
	// MaxMetadataBytes bounds the metadata string of a committed offset; 0 means 4096.
	MaxMetadataBytes int
	// MaxCommitBytes bounds the records of one commit, keys and values; 0 means 1 MiB.
	MaxCommitBytes int
}

// WithDefaults is c with the defaults in the place of zeros.
func (c Config) WithDefaults() Config {
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.InitialDelay, 100 * time.Millisecond},
		{&c.InitialDelayMax, 3 * time.Second},
		{&c.MinSession, 6 * time.Second},
		{&c.MaxSession, 30 * time.Minute},
		{&c.NewMemberTimeout, 5 * time.Minute},
		{&c.ConsumerSession, 45 * time.Second},
		{&c.ConsumerHeartbeat, 5 * time.Second},
		{&c.OffsetsRetention, 7 * 24 * time.Hour},
		{&c.OffsetsCheck, 10 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, b := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.ConsumerMinSession, min(45*time.Second, c.ConsumerSession)},
		{&c.ConsumerMaxSession, max(60*time.Second, c.ConsumerSession)},
		{&c.ConsumerMinHeartbeat, min(5*time.Second, c.ConsumerHeartbeat)},
		{&c.ConsumerMaxHeartbeat, max(15*time.Second, c.ConsumerHeartbeat)},
	} {
		if *b.field == 0 {
			*b.field = b.value
		}
	}
	for _, d := range []struct {
		field *int
		value int
	}{
		{&c.MaxSize, 10_000},
		{&c.MaxMetadataBytes, 4096},
		{&c.MaxCommitBytes, 1 << 20},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}
