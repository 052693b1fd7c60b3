package group

import (
	"strings"
	"testing"
	"time"
)

func TestTimesOfGroups(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		cfg       Config
		set       Times
		refused   string
		effective Times
	}{
		{Config{}, Times{}, "", Times{45 * s, 5 * s}},
		{Config{}, Times{60 * s, 15 * s}, "", Times{60 * s, 15 * s}},
		{Config{}, Times{Session: 44 * s}, "session.timeout.ms=44000 is less than 45000, the nodes' group.consumer.min.session.timeout.ms", Times{45 * s, 5 * s}},
		{Config{}, Times{Session: 61 * s}, "more than 60000", Times{60 * s, 5 * s}},
		{Config{}, Times{Heartbeat: 4 * s}, "less than 5000, the nodes' group.consumer.min.heartbeat.interval.ms", Times{45 * s, 5 * s}},
		{Config{}, Times{Heartbeat: 16 * s}, "more than 15000", Times{45 * s, 15 * s}},
		// What the node has for all groups is always allowed.
		{Config{ConsumerSession: 9 * s, ConsumerHeartbeat: s}, Times{9 * s, s}, "", Times{9 * s, s}},
		{Config{ConsumerSession: 90 * s, ConsumerHeartbeat: 20 * s}, Times{90 * s, 20 * s}, "", Times{90 * s, 20 * s}},
		{Config{ConsumerMinSession: 10 * s, ConsumerMaxHeartbeat: 30 * s}, Times{10 * s, 9 * s}, "", Times{10 * s, 9 * s}},
		// A heartbeat that was right when it was set, under another session of all groups.
		{Config{ConsumerSession: 9 * s}, Times{Heartbeat: 15 * s}, "must be more than", Times{9 * s, 3 * s}},
	} {
		cfg := c.cfg.WithDefaults()
		err := cfg.Check(c.set)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: %v, want %q", c.set, err, c.refused)
		}
		if got := cfg.effective(c.set); got != c.effective {
			t.Errorf("%+v has the effect of %+v, want %+v", c.set, got, c.effective)
		}
	}
}
