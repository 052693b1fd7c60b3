package differential

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func createTopic(d drawer) op {
	topic, partitions, gen, dry := d.topic(), int32(d.IntN(5))-1, d.generation(), d.rarely()
	replicas := int16(1)
	if d.rarely() {
		replicas = 3
	}
	return op{fmt.Sprintf("create %s partitions=%d replicas=%d dry=%v gen=%d", topic, partitions, replicas, dry, gen), func(ctx context.Context, s *side) string {
		return s.create(ctx, gen, topic, partitions, replicas, dry)
	}}
}

func (s *side) create(ctx context.Context, gen int, topic string, partitions int32, replicas int16, dry bool) string {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly, req.TimeoutMillis = dry, 5000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, replicas
	req.Topics = append(req.Topics, rt)
	resp, err := ask[*kmsg.CreateTopicsResponse](ctx, s, gen, req)
	if err != nil {
		return err.Error()
	}
	got := resp.Topics[0]
	if got.ErrorCode == 0 && !dry {
		s.learn(ctx, topic)
	}
	if resp.Version < 5 || got.ErrorCode != 0 {
		return code(got.ErrorCode)
	}
	return fmt.Sprint(code(got.ErrorCode), " ", got.NumPartitions, " ", got.ReplicationFactor)
}

// learn asks for the id of a topic that is new.
func (s *side) learn(ctx context.Context, topic string) {
	req := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = &topic
	req.Topics = append(req.Topics, mt)
	resp, err := ask[*kmsg.MetadataResponse](ctx, s, newest, req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.topics[topic] = resp.Topics[0].TopicID
}

func deleteTopic(d drawer) op {
	topic, gen := d.topic(), d.generation()
	return op{fmt.Sprintf("delete %s gen=%d", topic, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TopicNames, req.TimeoutMillis = []string{topic}, 5000
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = &topic
		req.Topics = append(req.Topics, rt)
		maps.DeleteFunc(s.written, func(at string, _ bool) bool { return strings.HasPrefix(at, topic+"/") })
		resp, err := ask[*kmsg.DeleteTopicsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		return code(resp.Topics[0].ErrorCode)
	}}
}

func createPartitions(d drawer) op {
	topic, n, gen := d.topic(), int32(d.IntN(5)), d.generation()
	return op{fmt.Sprintf("partitions %s to %d gen=%d", topic, n, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis = 5000
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = topic, n
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.CreatePartitionsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		return code(resp.Topics[0].ErrorCode)
	}}
}

func deleteRecords(d drawer) op {
	topic, partition, offset, gen := d.topic(), d.partition(), d.offset(), d.generation()
	return op{fmt.Sprintf("trim %s/%d before %d gen=%d", topic, partition, offset, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = 5000
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = partition, offset
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.DeleteRecordsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != 0 {
			return code(p.ErrorCode)
		}
		return fmt.Sprint("ok low=", p.LowWatermark)
	}}
}

// configs that both know, with values that both take: kfake checks none.
var configs = []struct {
	name   string
	values []string
}{
	{"retention.ms", []string{"60000", "-1", "1000"}},
	{"max.message.bytes", []string{"1000", "1000000", "0"}},
	{"cleanup.policy", []string{"delete", "compact", "compact,delete"}},
	{"min.insync.replicas", []string{"1"}},
}

func alterTopic(d drawer) op {
	topic, c := d.topic(), configs[d.IntN(len(configs))]
	value, remove := c.values[d.IntN(len(c.values))], d.rarely()
	return op{fmt.Sprintf("alter %s %s=%s remove=%v", topic, c.name, value, remove), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		rr := kmsg.NewIncrementalAlterConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value = c.name, &value
		if remove {
			rc.Op, rc.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		rr.Configs = append(rr.Configs, rc)
		req.Resources = append(req.Resources, rr)
		resp, err := ask[*kmsg.IncrementalAlterConfigsResponse](ctx, s, newest, req)
		if err != nil {
			return err.Error()
		}
		return code(resp.Resources[0].ErrorCode)
	}}
}

func describeTopic(d drawer) op {
	topic, c, gen := d.topic(), configs[d.IntN(len(configs))], max(1, d.generation())
	return op{fmt.Sprintf("config %s %s gen=%d", topic, c.name, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDescribeConfigsRequest()
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName, rr.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{c.name}
		req.Resources = append(req.Resources, rr)
		resp, err := ask[*kmsg.DescribeConfigsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		out := code(resp.Resources[0].ErrorCode)
		for _, e := range resp.Resources[0].Configs {
			if e.Source == kmsg.ConfigSourceDynamicTopicConfig {
				out += fmt.Sprintf(" %s=%s", e.Name, *e.Value)
			}
		}
		return out
	}}
}
