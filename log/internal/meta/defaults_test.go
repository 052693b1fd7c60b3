package meta

import "testing"

// A default reaches the topics that are there and those that come, but for the ones
// that have a value of their own and the log's own, and survives a snapshot.
func TestDefaultsReachTopics(t *testing.T) {
	plain, own, internal, late := testID(1), testID(2), testID(3), testID(4)
	apply := func(im *Image, records ...Record) *Image {
		t.Helper()
		next, err := im.Apply(im.Index()+1, records)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	all := func(key, value string) *Config {
		return &Config{Resource: ResourceBroker, NodeID: clusterNode, Key: key, Value: value}
	}
	first := apply(NewImage(), &TopicRecord{ID: plain, Name: "plain"}, &TopicRecord{ID: own, Name: "own"},
		&TopicRecord{ID: internal, Name: "internal", Internal: true},
		&Config{Resource: ResourceTopic, Topic: own, NodeID: -1, Key: "retention.ms", Value: "5"})
	second := apply(first, all("log.retention.ms", "7"), &TopicRecord{ID: late, Name: "late"}, all("of.another.kind", "x"))
	snapshot := apply(NewImage(), second.Records()...)
	for _, c := range []struct {
		name string
		im   *Image
		id   ID
		want int64
	}{
		{"before", first, plain, 604800000},
		{"after", second, plain, 7},
		{"one that comes later", second, late, 7},
		{"one with a value of its own", second, own, 5},
		{"the log's own", second, internal, 604800000},
		{"from a snapshot", snapshot, plain, 7},
		{"removed", apply(second, defaultConfig("log.retention.ms")), plain, 604800000},
	} {
		if got := c.im.Topic(c.id).Number("retention.ms"); got != c.want {
			t.Errorf("%s: retention.ms is %d, want %d", c.name, got, c.want)
		}
	}
	if first.Topic(plain) == second.Topic(plain) {
		t.Error("whoever compares topics does not see that the default has changed")
	}
}

func TestEveryTopicConfigHasADefaultForAllNodes(t *testing.T) {
	for _, c := range topicConfigs {
		if c.BrokerKey() == "" || topicKeys[c.BrokerKey()] != c.Key {
			t.Errorf("%s has no config of brokers", c.Key)
		}
	}
}
