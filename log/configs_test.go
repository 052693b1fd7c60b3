package log

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// describe gives a config's value, source and synonyms as one line.
func describe(w *wire, kind kmsg.ConfigResourceType, resource, key string) string {
	w.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName, rr.ConfigNames = kind, resource, []string{key}
	req.Resources = append(req.Resources, rr)
	r := ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0]
	if r.ErrorCode != 0 || len(r.Configs) != 1 {
		return fmt.Sprintf("error %d, %d configs", r.ErrorCode, len(r.Configs))
	}
	c := r.Configs[0]
	line := fmt.Sprintf("%s from %d:", *c.Value, c.Source)
	for _, s := range c.ConfigSynonyms {
		line += fmt.Sprintf(" %s=%s(%d)", s.Name, *s.Value, s.Source)
	}
	return line
}

// change sets configs, or removes those whose value is empty.
func change(w *wire, kind kmsg.ConfigResourceType, resource string, configs ...[2]string) int16 {
	w.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, resource
	for _, kv := range configs {
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value = kv[0], &kv[1]
		if kv[1] == "" {
			rc.Op, rc.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		rr.Configs = append(rr.Configs, rc)
	}
	req.Resources = append(req.Resources, rr)
	return ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, req).Resources[0].ErrorCode
}

// A default for all nodes reaches topics at once and stays over a restart; tools show
// where a value comes from by its source and synonyms.
func TestDefaultsForAllNodes(t *testing.T) {
	const topic, broker = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	fs := vfs.NewMem()
	n := openNode(t, fs)
	addr := serve(t, n)
	own := "900"
	createTopic(t, addr, "plain", 1, nil)
	createTopic(t, addr, "own", 1, map[string]*string{"max.message.bytes": &own})
	w := dial(t, addr)
	if got := describe(w, topic, "plain", "max.message.bytes"); got != "1048588 from 5: message.max.bytes=1048588(5)" {
		t.Errorf("at first: %s", got)
	}
	if code := change(w, broker, "", [2]string{"message.max.bytes", "1000"}, [2]string{"log.retention.ms", "5000"}); code != 0 {
		t.Fatalf("set for all nodes: error %d", code)
	}
	for _, c := range [][3]string{
		{"plain", "max.message.bytes", "1000 from 3: message.max.bytes=1000(3) message.max.bytes=1048588(5)"},
		{"own", "max.message.bytes", "900 from 1: max.message.bytes=900(1) message.max.bytes=1000(3) message.max.bytes=1048588(5)"},
		{"__consumer_offsets", "max.message.bytes", "1048588 from 5: message.max.bytes=1048588(5)"},
	} {
		if got := describe(w, topic, c[0], c[1]); got != c[2] {
			t.Errorf("%s of %s: %s\nwant %s", c[1], c[0], got, c[2])
		}
	}
	if got := describe(w, broker, "1", "log.retention.ms"); got != "5000 from 3: log.retention.ms=5000(3) log.retention.ms=604800000(5)" {
		t.Errorf("of the node: %s", got)
	}
	if got := describe(w, broker, "", "log.retention.ms"); got != "5000 from 3: log.retention.ms=5000(3)" {
		t.Errorf("of all nodes: %s", got)
	}
	large := batchOf(record.Plain(), [2]string{"k", string(make([]byte, 1000))})
	if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("plain", [16]byte{}, large))).ErrorCode; got != kerr.MessageTooLarge.Code {
		t.Errorf("a batch above the new limit: error %d", got)
	}

	closeNode(t, n)
	w = dial(t, serve(t, openNode(t, fs)))
	if got := describe(w, topic, "plain", "retention.ms"); got != "5000 from 3: log.retention.ms=5000(3) log.retention.ms=604800000(5)" {
		t.Errorf("after a restart: %s", got)
	}
	if code := change(w, broker, "", [2]string{"message.max.bytes", ""}); code != 0 {
		t.Fatalf("remove: error %d", code)
	}
	if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("plain", [16]byte{}, large))).ErrorCode; got != 0 {
		t.Errorf("a batch below the default: error %d", got)
	}
}

func TestBrokerConfigsThatCannotBeChanged(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for _, c := range []struct{ node, key, value string }{
		{"", "num.partitions", "3"}, {"", "nonsense", "1"}, {"", "log.retention.ms", "soon"}, {"", "node.id", "2"},
		{"1", "log.retention.ms", "1"}, {"1", "num.partitions", "3"}, {"2", "log.retention.ms", "1"}, {"one", "log.retention.ms", "1"},
	} {
		if got := change(w, kmsg.ConfigResourceTypeBroker, c.node, [2]string{c.key, c.value}); got != kerr.InvalidRequest.Code {
			t.Errorf("%s=%s of node %q: error %d", c.key, c.value, c.node, got)
		}
	}
	if got := change(w, kmsg.ConfigResourceTypeBroker, "", [2]string{"log.retention.ms", "1"}, [2]string{"log.retention.ms", "2"}); got != kerr.InvalidRequest.Code {
		t.Errorf("the same one twice: error %d", got)
	}
	// AlterConfigs replaces all of them, and Kafka refuses a null value.
	legacy := func(value *string) int16 {
		req := kmsg.NewPtrAlterConfigsRequest()
		rr := kmsg.NewAlterConfigsRequestResource()
		rr.ResourceType = kmsg.ConfigResourceTypeBroker
		rr.Configs = []kmsg.AlterConfigsRequestResourceConfig{{Name: "log.segment.bytes", Value: value}}
		req.Resources = append(req.Resources, rr)
		return ask[*kmsg.AlterConfigsResponse](w, 2, req).Resources[0].ErrorCode
	}
	change(w, kmsg.ConfigResourceTypeBroker, "", [2]string{"log.retention.ms", "1"})
	if got := legacy(nil); got != kerr.InvalidRequest.Code {
		t.Errorf("null: error %d", got)
	}
	size := "2048"
	if got := legacy(&size); got != 0 {
		t.Errorf("AlterConfigs: error %d", got)
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType = kmsg.ConfigResourceTypeBroker
	req.Resources = append(req.Resources, rr)
	var keys []string
	for _, c := range ask[*kmsg.DescribeConfigsResponse](w, 4, req).Resources[0].Configs {
		keys = append(keys, c.Name)
	}
	if !slices.Equal(keys, []string{"log.segment.bytes"}) {
		t.Errorf("set for all nodes: %v", keys)
	}
}
