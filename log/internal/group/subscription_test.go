package group

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// TestPatternsShowWhatMayBeSeen: a pattern matches only topics that its member may
// know of.
func TestPatternsShowWhatMayBeSeen(t *testing.T) {
	c := newCore()
	var out core.Duties
	topics := testTopics{topics: map[string]testTopic{"t-open": {topicID("a"), 1}, "t-secret": {topicID("b"), 1}}, version: 1}
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = 1, "g", "m", 1000
	beat.SubscribedTopicRegex, beat.Topics = new("t-.*"), []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	meta := coord.Meta{Visible: func(topic string) bool { return topic == "t-open" }}
	c.Step(0, coord.Request{ID: 1, Body: beat, Topics: topics, Meta: meta}, &out)
	if got := c.groups["g"].consumers.topics(); len(got) != 1 || got[0] != "t-open" {
		t.Errorf("the group reads %v", got)
	}
}

// TestHostilePatterns: a few letters can ask for a compiled form of millions of
// steps, and each is taken for every letter of every topic.
func TestHostilePatterns(t *testing.T) {
	topics := testTopics{topics: map[string]testTopic{}, version: 1}
	for i := range 10_000 {
		topics.topics[fmt.Sprintf("a-topic-with-a-name-%05d", i)] = testTopic{topicID(fmt.Sprint(i)), 1}
	}
	for name, pattern := range map[string]string{
		"repeated": strings.Repeat("(a?){900}", 20),
		"long":     strings.Repeat("a", maxRegexBytes+1),
		"classes":  strings.Repeat(`\pL?`, 500),
	} {
		if err := checkRegex(pattern, topics); code(err) != kerr.InvalidRegularExpression.Code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, pattern := range []string{"a-.*", "orders-(eu|us)-[0-9]+", "(?i)A-TOPIC.*", strings.Repeat("a-topic-|", 20) + "x"} {
		if err := checkRegex(pattern, topics); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
