package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// Metadata (key 3): the brokers, and where each partition's leader is. It creates
// what it is asked about, if both sides want that.
func init() {
	register(spec{
		key:    3,
		levels: []levelRange{{level: 1, min: 0, max: 13}},
		changes: []change{
			{0, "brokers, topics, leaders; no topics means all"},
			{1, "null topics means all, empty means none; racks, controller, internal topics"},
			{2, "cluster id"},
			{3, "throttle time"},
			{4, "the client may forbid that topics are created"},
			{5, "offline replicas"},
			{7, "leader epochs (KIP-320)"},
			{8, "authorized operations"},
			{9, "flexible"},
			{10, "topic ids"},
			{11, "no cluster operations any more (DescribeCluster has them)"},
			{12, "topics asked by id"},
			{13, "an error code for the whole response (KIP-1102)"},
		},
		deviations: []string{
			"A topic that is created by the request is answered with its leader at once; Kafka answers LEADER_NOT_AVAILABLE first.",
		},
	}, metadata)
}

func metadata(ctx context.Context, c *call, req *kmsg.MetadataRequest) (kmsg.Response, error) {
	unclear := slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool {
		return req.Version < 12 && (t.Topic == nil || t.TopicID != [16]byte{})
	})
	mayCreate := c.opts.AutoCreate && (req.Version < 4 || req.AllowAutoTopicCreation) && !unclear
	var failed map[string]int16
	if mayCreate {
		failed = c.createMissing(ctx, req.Topics)
	}
	im := c.image()
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	clusterID := im.ClusterID().String()
	resp.ClusterID = &clusterID
	resp.ControllerID = c.controller()
	resp.Brokers = c.metadataBrokers(im)
	resp.AuthorizedOperations = noOperations
	if req.Version >= 8 && req.Version <= 10 && req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = c.clusterOperations()
	}
	resp.Topics = []kmsg.MetadataResponseTopic{}
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		for t := range im.Topics() {
			if c.sees(acl.Describe, acl.Topic, t.Name) {
				resp.Topics = append(resp.Topics, describeTopic(t))
			}
		}
	}
	seen := map[topicRef]bool{} // a request that repeats a topic gets it once, as in Kafka
	for _, rt := range req.Topics {
		ref := topicRef{id: rt.TopicID}
		if rt.Topic != nil {
			ref.name = *rt.Topic
		}
		if !seen[ref] {
			seen[ref] = true
			mt := unclearTopic(req.Version, rt) // one of them makes the whole request unclear, as in Kafka
			if !unclear {
				mt = c.lookUpTopic(im, req.Version, rt, failed)
			}
			resp.Topics = append(resp.Topics, mt)
		}
	}
	if req.IncludeTopicAuthorizedOperations {
		for i := range resp.Topics {
			mt := &resp.Topics[i]
			if mt.Topic != nil && mt.ErrorCode != kerr.TopicAuthorizationFailed.Code {
				mt.AuthorizedOperations = c.operations(acl.Topic, *mt.Topic)
			}
		}
	}
	return resp, nil
}

// topicRef is a topic as a request names it.
type topicRef struct {
	id   [16]byte
	name string
}

// createMissing creates the topics that a request names and nobody has, and
// returns the error codes of those that could not be.
func (c *call) createMissing(ctx context.Context, topics []kmsg.MetadataRequestTopic) map[string]int16 {
	var change meta.CreateTopics
	im := c.image()
	asked, failed := map[string]bool{}, map[string]int16{}
	for _, rt := range topics {
		if rt.Topic == nil || rt.TopicID != [16]byte{} || asked[*rt.Topic] || !validTopicName(*rt.Topic) || im.TopicByName(*rt.Topic) != nil {
			continue
		}
		if !c.sees(acl.Describe, acl.Topic, *rt.Topic) {
			continue // the caller is told nothing of it
		}
		if !c.mayCreate(*rt.Topic) {
			failed[*rt.Topic] = kerr.TopicAuthorizationFailed.Code
			continue
		}
		if len(change.Topics) == maxAutoCreated {
			break // the client asks again for what is not there yet
		}
		asked[*rt.Topic] = true
		change.Topics = append(change.Topics, meta.NewTopic{Name: *rt.Topic, Partitions: -1, ReplicationFactor: -1})
	}
	if len(change.Topics) == 0 {
		return failed
	}
	ctx, cancel := within(ctx, autoCreateMillis)
	defer cancel()
	results, err := c.opts.Meta.CreateTopics(ctx, change)
	c.settle(ctx)
	for i, t := range change.Topics {
		why := err
		if err == nil {
			why = results[i].Err
		}
		if code, _ := refusal(why); code != 0 && code != kerr.TopicAlreadyExists.Code {
			failed[t.Name] = code
		}
	}
	return failed
}

// maxAutoCreated bounds the topics that one Metadata request creates.
const maxAutoCreated = 500

// autoCreateMillis is how long a Metadata request waits for the topics it creates.
const autoCreateMillis = 10_000

// mayCreate tells whether the caller may create a topic: any, or this one.
func (c *call) mayCreate(topic string) bool {
	return c.sees(acl.Create, acl.Cluster, acl.ClusterName) || c.allowed(acl.Create, acl.Topic, topic)
}

// lookUpTopic answers for one topic of the request. Without the right to describe it
// nobody learns whether a name is there; ids are no secrets, as in Kafka.
func (c *call) lookUpTopic(im *meta.Image, version int16, rt kmsg.MetadataRequestTopic, failed map[string]int16) kmsg.MetadataResponseTopic {
	byID := rt.TopicID != [16]byte{}
	var t *meta.Topic
	var code int16
	switch {
	case !byID && rt.Topic == nil:
		return unclearTopic(version, rt)
	case byID:
		if t, code = im.Topic(rt.TopicID), kerr.UnknownTopicID.Code; t != nil && !c.allowed(acl.Describe, acl.Topic, t.Name) {
			t, code = nil, kerr.TopicAuthorizationFailed.Code
		}
	case !c.allowed(acl.Describe, acl.Topic, *rt.Topic):
		code = kerr.TopicAuthorizationFailed.Code
	case failed[*rt.Topic] != 0:
		code = failed[*rt.Topic]
	case !validTopicName(*rt.Topic):
		code = kerr.InvalidTopicException.Code
	default:
		t, code = im.TopicByName(*rt.Topic), kerr.UnknownTopicOrPartition.Code
	}
	if t != nil {
		return describeTopic(t)
	}
	mt := unclearTopic(version, rt)
	mt.ErrorCode = code
	return mt
}

// unclearTopic is the answer about a topic that cannot be told from the request.
func unclearTopic(version int16, rt kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	mt := kmsg.NewMetadataResponseTopic()
	mt.ErrorCode, mt.Topic, mt.TopicID = kerr.InvalidRequest.Code, rt.Topic, rt.TopicID
	if mt.Topic == nil && version < 12 {
		mt.Topic = new("")
	}
	mt.Partitions = []kmsg.MetadataResponseTopicPartition{}
	return mt
}

func describeTopic(t *meta.Topic) kmsg.MetadataResponseTopic {
	mt := kmsg.NewMetadataResponseTopic()
	mt.Topic, mt.TopicID, mt.IsInternal = &t.Name, t.ID, t.Internal
	mt.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for _, p := range t.Partitions {
		mp := kmsg.NewMetadataResponseTopicPartition()
		mp.Partition, mp.Leader, mp.LeaderEpoch = p.Index, p.Leader, p.LeaderEpoch
		if p.Leader < 0 {
			mp.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		mp.Replicas = make([]int32, len(p.Replicas))
		for i, r := range p.Replicas {
			mp.Replicas[i] = r.NodeID
		}
		mp.ISR = append([]int32{}, p.ISR...)
		mp.OfflineReplicas = []int32{}
		mt.Partitions = append(mt.Partitions, mp)
	}
	return mt
}

func (c *call) metadataBrokers(im *meta.Image) []kmsg.MetadataResponseBroker {
	brokers := []kmsg.MetadataResponseBroker{}
	for b := range im.Brokers() {
		e, ok := c.reach(b)
		if !ok {
			continue
		}
		mb := kmsg.NewMetadataResponseBroker()
		mb.NodeID, mb.Host, mb.Port = b.NodeID, e.Host, e.Port
		if b.Rack != "" {
			mb.Rack = &b.Rack
		}
		brokers = append(brokers, mb)
	}
	return brokers
}
