package log

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/record"
)

// requirements is what every key takes, by key.
var requirements = []requirement{
	{key: 0, needs: []need{{onTopic(acl.Write)}}, request: func(r *rights) kmsg.Request {
		return produceRequest("orders", r.topic, batchOf(record.Plain(), [2]string{"k", "v"}))
	}},
	{key: 0, what: "transactional records", needs: []need{{onTxn(acl.Write)}, {onTopic(acl.Write)}}, request: func(r *rights) kmsg.Request {
		h := record.Plain()
		h.Attributes |= record.AttrTransactional
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = 77, 0, 0
		req := produceRequest("orders", r.topic, batchOf(h, [2]string{"k", "v"}))
		req.TransactionID = new("tx")
		return req
	}},
	{key: 1, needs: []need{{onTopic(acl.Read)}}, request: func(r *rights) kmsg.Request { return fetchRequest("orders", r.topic, 0) }},
	{key: 2, needs: []need{{onTopic(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Timestamp = -1
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		return req
	}},
	{key: 3, what: "topics by name", needs: []need{{onTopic(acl.Describe)}}, request: func(*rights) kmsg.Request {
		return metadataOf(kmsg.MetadataRequestTopic{Topic: new("orders")})
	}},
	{key: 3, what: "topics by id", needs: []need{{onTopic(acl.Describe)}}, request: func(r *rights) kmsg.Request {
		return metadataOf(kmsg.MetadataRequestTopic{TopicID: r.topic})
	}},
	{key: 3, what: "a topic that is to be created", refusal: kerr.TopicAuthorizationFailed,
		needs: []need{{{acl.Describe, acl.Topic, "new"}}, {{acl.Create, acl.Topic, "new"}, {acl.Create, acl.Cluster, acl.ClusterName}}},
		request: func(r *rights) kmsg.Request {
			r.drop("new")
			req := metadataOf(kmsg.MetadataRequestTopic{Topic: new("new")})
			req.AllowAutoTopicCreation = true
			return req
		}},
	{key: 3, what: "all topics", needs: []need{{onTopic(acl.Describe)}}, omitted: "the topic is left out",
		request: func(*rights) kmsg.Request { return kmsg.NewPtrMetadataRequest() },
		shows: func(resp kmsg.Response) bool {
			return slices.ContainsFunc(resp.(*kmsg.MetadataResponse).Topics, func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == "orders" })
		}},
	{key: 8, needs: []need{{onGroup(acl.Read)}, {onTopic(acl.Read)}}, request: func(r *rights) kmsg.Request { return commitRequest(r) }},
	{key: 9, needs: []need{{onGroup(acl.Describe)}, {onTopic(acl.Describe)}}, request: func(r *rights) kmsg.Request {
		req := fetchOffsetsRequest()
		rt := kmsg.NewOffsetFetchRequestGroupTopic()
		rt.Topic, rt.TopicID, rt.Partitions = "orders", r.topic, []int32{0}
		req.Groups[0].Topics = append(req.Groups[0].Topics, rt)
		return req
	}},
	{key: 9, what: "all topics", also: []right{onGroup(acl.Describe)}, needs: []need{{onTopic(acl.Describe)}}, omitted: "the topic is left out",
		request: func(*rights) kmsg.Request { return fetchOffsetsRequest() },
		shows: func(resp kmsg.Response) bool {
			return len(resp.(*kmsg.OffsetFetchResponse).Groups[0].Topics) == 1
		}},
	{key: 10, what: "a group", needs: []need{{onGroup(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKeys = []string{"g"}
		return req
	}},
	{key: 10, what: "a transactional id", needs: []need{{onTxn(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = 1, []string{"tx"}
		return req
	}},
	{key: 11, needs: []need{{onGroup(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest() // a protocol is missing: what follows is refused for that
		req.Group, req.ProtocolType, req.SessionTimeoutMillis = "g", "consumer", 10_000
		return req
	}},
	{key: 12, needs: []need{{onGroup(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID = "g", "m"
		return req
	}},
	{key: 13, needs: []need{{onGroup(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = "g"
		return req
	}},
	{key: 14, needs: []need{{onGroup(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.ProtocolType, req.Protocol = "g", "m", new("consumer"), new("range")
		return req
	}},
	{key: 15, needs: []need{{onGroup(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{"g"}
		return req
	}},
	{key: 16, needs: []need{{onGroup(acl.Describe), onCluster(acl.Describe)}}, omitted: "the group is left out",
		request: func(*rights) kmsg.Request { return kmsg.NewPtrListGroupsRequest() },
		shows:   func(resp kmsg.Response) bool { return len(resp.(*kmsg.ListGroupsResponse).Groups) == 1 }},
	{key: 19, needs: []need{{{acl.Create, acl.Topic, "new"}, {acl.Create, acl.Cluster, acl.ClusterName}}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "new", 1, 1
		req.Topics, req.ValidateOnly = append(req.Topics, rt), true
		return req
	}},
	{key: 20, needs: []need{{{acl.Delete, acl.Topic, "doomed"}, {acl.Delete, acl.Cluster, acl.ClusterName}}}, request: func(r *rights) kmsg.Request {
		r.drop("doomed")
		id := create(r.t, r.node.Session(SessionOptions{Principal: "User:root"}), "doomed", 1)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
		return req
	}},
	{key: 21, needs: []need{{onTopic(acl.Delete)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDeleteRecordsRequest()
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, kmsg.NewDeleteRecordsRequestTopicPartition())
		req.Topics = append(req.Topics, rt)
		return req
	}},
	{key: 22, what: "an idempotent producer", needs: []need{{onCluster(acl.IdempotentWrite), {acl.Write, acl.Topic, "any"}}},
		request: func(*rights) kmsg.Request {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.ProducerID, req.ProducerEpoch = -1, -1
			return req
		}},
	{key: 22, what: "a transactional id", needs: []need{{onTxn(acl.Write)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = new("tx"), 10_000, -1, -1
		return req
	}},
	{key: 23, needs: []need{{onTopic(acl.Describe), onCluster(acl.ClusterAction)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, kmsg.NewOffsetForLeaderEpochRequestTopicPartition())
		req.Topics = append(req.Topics, rt)
		return req
	}},
	{key: 24, needs: []need{{onTxn(acl.Write)}, {onTopic(acl.Write)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.Version, req.TransactionalID = 3, "tx"
		req.Topics = append(req.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: "orders", Partitions: []int32{0}})
		return req
	}},
	{key: 25, needs: []need{{onTxn(acl.Write)}, {onGroup(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = "tx", "g"
		return req
	}},
	{key: 26, needs: []need{{onTxn(acl.Write)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID = "tx"
		return req
	}},
	{key: 28, needs: []need{{onTxn(acl.Write)}, {onGroup(acl.Read)}, {onTopic(acl.Read)}}, request: func(r *rights) kmsg.Request {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group, req.Generation = "tx", "g", -1
		rt := kmsg.NewTxnOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = "orders", r.topic, append(rt.Partitions, kmsg.NewTxnOffsetCommitRequestTopicPartition())
		req.Topics = append(req.Topics, rt)
		return req
	}},
	{key: 29, needs: []need{{onCluster(acl.Describe)}}, request: func(*rights) kmsg.Request { return describeACLsRequest("User:nobody") }},
	{key: 30, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrCreateACLsRequest()
		req.Creations = append(req.Creations, kmsg.NewCreateACLsRequestCreation())
		return req
	}},
	{key: 31, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDeleteACLsRequest()
		req.Filters = append(req.Filters, kmsg.NewDeleteACLsRequestFilter())
		return req
	}},
}

func metadataOf(topics ...kmsg.MetadataRequestTopic) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = topics
	return req
}

func commitRequest(r *rights) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = "g", -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID, rt.Partitions = "orders", r.topic, append(rt.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
	req.Topics = append(req.Topics, rt)
	return req
}

func fetchOffsetsRequest() *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	req.Groups = append(req.Groups, g)
	return req
}

// describeACLsRequest selects everything of a principal.
func describeACLsRequest(principal string) *kmsg.DescribeACLsRequest {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType, req.Principal = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny, &principal
	return req
}

// drop deletes a topic, if it is there.
func (r *rights) drop(topic string) {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &topic})
	r.ask("User:root", req)
}
