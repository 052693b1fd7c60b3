package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/record"
)

// A flexible version has another header than one that is not, requests and
// responses alike; a version that is off by one is unreadable from its first byte.
func TestEveryKeyIsAnsweredInEveryVersion(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	for _, r := range broker.Ranges(1) {
		t.Run(kmsg.NameForKey(r.Key), func(t *testing.T) {
			w := dial(t, addr)
			for v := max(r.Min, map[int16]int16{0: 3}[r.Key]); v <= r.Max; v++ {
				w.send(v, example(r.Key, v, topicID(dial(t, addr), "t")))
				resp, err := w.receive(example(r.Key, v, [16]byte{}))
				if err != nil {
					t.Fatalf("v%d: %v", v, err)
				}
				again := resp.RequestKind().ResponseKind()
				again.SetVersion(v)
				if err := again.ReadFrom(resp.AppendTo(nil)); err != nil {
					t.Errorf("v%d: what was read cannot be written: %v", v, err)
				}
			}
		})
	}
}

// example is a harmless request of a key, with something in its arrays.
func example(key, version int16, id [16]byte) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		p := produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", "v"}))
		p.Version = version
		return p
	case *kmsg.FetchRequest:
		f := fetchRequest("t", id, 0)
		f.Version = version
		return f
	case *kmsg.ListOffsetsRequest:
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.CurrentLeaderEpoch = -1
		rt.Partitions = append(rt.Partitions, rp)
		r.Topics = append(r.Topics, rt)
	case *kmsg.JoinGroupRequest:
		r.Group, r.ProtocolType, r.SessionTimeoutMillis = "examples", "consumer", 10_000
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name = "range"
		r.Protocols = append(r.Protocols, p)
		if version < 4 { // later ones get a member id first, and wait for nobody
			r.Group = "" // refused at once
		}
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorKeys = "g", []string{"g"}
	case *kmsg.OffsetFetchRequest:
		r.Group = "g"
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "g"
		r.Groups = append(r.Groups, g)
	case *kmsg.DescribeGroupsRequest:
		r.Groups = []string{"g"}
	case *kmsg.DeleteGroupsRequest:
		r.Groups = []string{"g"}
	case *kmsg.CreateTopicsRequest:
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "t", 1, 1 // exists
		r.Topics = append(r.Topics, rt)
	case *kmsg.DeleteTopicsRequest:
		r.TopicNames = []string{"nowhere"}
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = new("nowhere")
		r.Topics = append(r.Topics, rt)
	case *kmsg.DescribeConfigsRequest:
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
		r.Resources = append(r.Resources, rr)
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
		r.Resources = append(r.Resources, rr)
		r.IncludeSynonyms, r.IncludeDocumentation = true, true
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion, r.NodeID = "wire", "1", -1
	case *kmsg.DescribeClusterRequest:
		r.EndpointType = 1
	}
	return req
}
