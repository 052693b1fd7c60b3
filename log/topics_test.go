package log

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newTopicRequest creates one topic; change alters what is asked for.
func newTopicRequest(name string, change func(*kmsg.CreateTopicsRequestTopic)) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, 1
	if change != nil {
		change(&rt)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

func TestTopicsThatAreRefused(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "my.topic_1", 1, nil)
	w := dial(t, addr)
	assign := func(partitions ...int32) func(*kmsg.CreateTopicsRequestTopic) {
		return func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			for _, p := range partitions {
				rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: p, Replicas: []int32{1}})
			}
		}
	}
	config := func(key string, value *string) func(*kmsg.CreateTopicsRequestTopic) {
		return func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: value})
		}
	}
	one := "1"
	for _, c := range []struct {
		why    string
		name   string
		change func(*kmsg.CreateTopicsRequestTopic)
		want   *kerr.Error
	}{
		{"exists", "my.topic_1", nil, kerr.TopicAlreadyExists},
		{"differs in . and _ alone", "my_topic.1", nil, kerr.InvalidTopicException},
		{"has no name", "", nil, kerr.InvalidTopicException},
		{"is named ..", "..", nil, kerr.InvalidTopicException},
		{"has a slash", "a/b", nil, kerr.InvalidTopicException},
		{"has 250 characters", strings.Repeat("a", 250), nil, kerr.InvalidTopicException},
		{"has no partition", "t", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = 0 }, kerr.InvalidPartitions},
		{"has -2 partitions", "t", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = -2 }, kerr.InvalidPartitions},
		{"has no replica", "t", func(rt *kmsg.CreateTopicsRequestTopic) { rt.ReplicationFactor = 0 }, kerr.InvalidReplicationFactor},
		{"has more replicas than nodes", "t", func(rt *kmsg.CreateTopicsRequestTopic) { rt.ReplicationFactor = 2 }, kerr.InvalidReplicationFactor},
		{"is assigned twice over", "t", assign(0, 0), kerr.InvalidReplicaAssignment},
		{"is assigned with a hole", "t", assign(0, 2), kerr.InvalidReplicaAssignment},
		{"is assigned to a node that is not there", "t", func(rt *kmsg.CreateTopicsRequestTopic) {
			assign(0)(rt)
			rt.ReplicaAssignment[0].Replicas = []int32{9}
		}, kerr.InvalidReplicaAssignment},
		{"is assigned and counted", "t", func(rt *kmsg.CreateTopicsRequestTopic) {
			assign(0)(rt)
			rt.NumPartitions = 1
		}, kerr.InvalidRequest},
		{"has a config that topics have not", "t", config("nonsense", &one), kerr.InvalidConfig},
		{"has a config without a value", "t", config("retention.ms", nil), kerr.InvalidConfig},
	} {
		for v := int16(2); v <= 7; v++ {
			req := newTopicRequest(c.name, c.change)
			req.ValidateOnly = v%2 == 0 // the answer is the same
			rt := ask[*kmsg.CreateTopicsResponse](w, v, req).Topics[0]
			if rt.ErrorCode != c.want.Code || rt.Topic != c.name || v >= 5 && rt.Configs == nil {
				t.Errorf("a topic that %s, v%d: error %d (%s), want %d", c.why, v, rt.ErrorCode, str(rt.ErrorMessage), c.want.Code)
			}
		}
	}
	twice := newTopicRequest("twice", nil)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	if resp := ask[*kmsg.CreateTopicsResponse](w, 7, twice); len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a topic that is named twice: %+v", resp.Topics)
	}
	// Validated only, nothing is there afterwards.
	dry := newTopicRequest("dry", nil)
	dry.ValidateOnly = true
	if rt := ask[*kmsg.CreateTopicsResponse](w, 7, dry).Topics[0]; rt.ErrorCode != 0 {
		t.Errorf("validate only: error %d", rt.ErrorCode)
	}
	if rt := ask[*kmsg.CreateTopicsResponse](w, 7, newTopicRequest("dry", nil)).Topics[0]; rt.ErrorCode != 0 || rt.NumPartitions != 1 || len(rt.Configs) == 0 {
		t.Errorf("created in earnest: %+v", rt)
	}
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Version 6 has topics by name or id, and a client that fills in both means one.
func TestTopicsAreDeletedByNameOrID(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for _, name := range []string{"a", "b", "c"} {
		createTopic(t, addr, name, 1, nil)
	}
	a, b := topicID(w, "a"), topicID(w, "b")
	remove := func(refs ...kmsg.DeleteTopicsRequestTopic) string {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis, req.Topics = 10_000, refs
		var line string
		for _, rt := range ask[*kmsg.DeleteTopicsResponse](w, 6, req).Topics {
			line += fmt.Sprintf("%s:%d ", str(rt.Topic), rt.ErrorCode)
		}
		return line
	}
	byName := func(n string) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{Topic: &n} }
	byID := func(id [16]byte) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{TopicID: id} }
	name := "a"
	for _, c := range []struct {
		why  string
		refs []kmsg.DeleteTopicsRequestTopic
		want string
	}{
		{"both", []kmsg.DeleteTopicsRequestTopic{{Topic: &name, TopicID: a}}, "a:42 "},
		{"neither", []kmsg.DeleteTopicsRequestTopic{{}}, ":42 "},
		{"twice", []kmsg.DeleteTopicsRequestTopic{byName("a"), byName("a")}, "a:42 "},
		{"unknown", []kmsg.DeleteTopicsRequestTopic{byName("x"), byID([16]byte{9})}, "x:3 :100 "},
		{"the log's own", []kmsg.DeleteTopicsRequestTopic{byName("__consumer_offsets")}, "__consumer_offsets:42 "},
		{"in earnest", []kmsg.DeleteTopicsRequestTopic{byName("c"), byID(b)}, "c:0 b:0 "},
	} {
		if got := remove(c.refs...); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
	old := kmsg.NewPtrDeleteTopicsRequest()
	old.TimeoutMillis, old.TopicNames = 10_000, []string{"a", "b"}
	if r := ask[*kmsg.DeleteTopicsResponse](w, 3, old).Topics; r[0].ErrorCode != 0 || r[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("v3: %+v", r)
	}
}
