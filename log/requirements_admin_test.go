package log

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
)

func init() { requirements = append(requirements, adminRequirements...) }

// adminRequirements are the keys of tools, by key.
var adminRequirements = []requirement{
	{key: 32, what: "of a topic", needs: []need{{onTopic(acl.DescribeConfigs)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "orders"})
		return req
	}},
	{key: 32, what: "of a broker", needs: []need{{onCluster(acl.DescribeConfigs)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"})
		return req
	}},
	{key: 32, what: "of a group", needs: []need{{onGroup(acl.DescribeConfigs)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g"})
		return req
	}},
	{key: 33, what: "of a topic", needs: []need{{onTopic(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return alterConfigsRequest(kmsg.ConfigResourceTypeTopic, "orders")
	}},
	{key: 33, what: "of a broker", needs: []need{{onCluster(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return alterConfigsRequest(kmsg.ConfigResourceTypeBroker, "1")
	}},
	{key: 33, what: "of a group", needs: []need{{onGroup(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return alterConfigsRequest(kmsg.ConfigResourceTypeGroupConfig, "g")
	}},
	{key: 35, needs: []need{{onCluster(acl.Describe)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrDescribeLogDirsRequest() }},
	{key: 37, needs: []need{{onTopic(acl.Alter)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Topics, req.ValidateOnly = append(req.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "orders", Count: 2}), true
		return req
	}},
	{key: 42, needs: []need{{{acl.Delete, acl.Group, "absent"}}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{"absent"}
		return req
	}},
	{key: 43, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrElectLeadersRequest() }},
	{key: 44, what: "of a topic", needs: []need{{onTopic(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return incrementalRequest(kmsg.ConfigResourceTypeTopic, "orders")
	}},
	{key: 44, what: "of a broker", needs: []need{{onCluster(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return incrementalRequest(kmsg.ConfigResourceTypeBroker, "1")
	}},
	{key: 44, what: "of a group", needs: []need{{onGroup(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		return incrementalRequest(kmsg.ConfigResourceTypeGroupConfig, "g")
	}},
	{key: 45, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrAlterPartitionAssignmentsRequest() }},
	{key: 46, needs: []need{{onCluster(acl.Describe)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrListPartitionReassignmentsRequest() }},
	{key: 47, needs: []need{{onGroup(acl.Delete)}, {onTopic(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = "g"
		rt := kmsg.NewOffsetDeleteRequestTopic()
		rp := kmsg.NewOffsetDeleteRequestTopicPartition()
		rp.Partition = 7 // there is none: what is committed stays for the other rows
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		return req
	}},
	{key: 48, needs: []need{{onCluster(acl.DescribeConfigs)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrDescribeClientQuotasRequest() }},
	{key: 49, needs: []need{{onCluster(acl.AlterConfigs)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrAlterClientQuotasRequest()
		e := kmsg.NewAlterClientQuotasRequestEntry()
		e.Entity = append(e.Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: "user", Name: new("a")})
		req.Entries, req.ValidateOnly = append(req.Entries, e), true
		return req
	}},
	{key: 50, needs: []need{{onCluster(acl.Describe)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrDescribeUserSCRAMCredentialsRequest() }},
	{key: 51, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		req.Deletions = append(req.Deletions, kmsg.AlterUserSCRAMCredentialsRequestDeletion{Name: "nobody", Mechanism: 1})
		return req
	}},
	{key: 55, needs: []need{{onCluster(acl.Describe)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrDescribeQuorumRequest() }},
	{key: 57, needs: []need{{onCluster(acl.Alter)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrUpdateFeaturesRequest() }},
	{key: 60, what: "authorized operations", needs: []need{{onCluster(acl.Describe)}}, omitted: "they are empty; everybody sees the brokers",
		request: func(*rights) kmsg.Request {
			req := kmsg.NewPtrDescribeClusterRequest()
			req.IncludeClusterAuthorizedOperations = true
			return req
		},
		shows: func(resp kmsg.Response) bool {
			return resp.(*kmsg.DescribeClusterResponse).ClusterAuthorizedOperations != 0
		}},
	{key: 61, needs: []need{{onTopic(acl.Read)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeProducersRequest()
		req.Topics = append(req.Topics, kmsg.DescribeProducersRequestTopic{Topic: "orders", Partitions: []int32{0}})
		return req
	}},
	{key: 65, needs: []need{{onTxn(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = []string{"tx"}
		return req
	}},
	{key: 66, needs: []need{{onTxn(acl.Describe)}}, omitted: "the transactional id is left out",
		request: func(*rights) kmsg.Request { return kmsg.NewPtrListTransactionsRequest() },
		shows: func(resp kmsg.Response) bool {
			return len(resp.(*kmsg.ListTransactionsResponse).TransactionStates) == 1
		}},
	{key: 68, needs: []need{{{acl.Read, acl.Group, "kip848"}}, {onTopic(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = "kip848", "m", 0, 10_000
		req.SubscribedTopicNames, req.Topics = []string{"orders"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		return req
	}},
	{key: 69, needs: []need{{{acl.Describe, acl.Group, "kip848"}}, {onTopic(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{"kip848"}
		return req
	}},
	{key: 74, needs: []need{{onCluster(acl.DescribeConfigs)}}, request: func(*rights) kmsg.Request { return kmsg.NewPtrListConfigResourcesRequest() }},
	{key: 75, what: "topics by name", needs: []need{{onTopic(acl.Describe)}}, request: func(*rights) kmsg.Request {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "orders"})
		return req
	}},
	{key: 75, what: "all topics", needs: []need{{onTopic(acl.Describe)}}, omitted: "the topic is left out",
		request: func(*rights) kmsg.Request { return kmsg.NewPtrDescribeTopicPartitionsRequest() },
		shows: func(resp kmsg.Response) bool {
			return len(resp.(*kmsg.DescribeTopicPartitionsResponse).Topics) == 1
		}},
}

func alterConfigsRequest(kind kmsg.ConfigResourceType, name string) kmsg.Request {
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Resources = append(req.Resources, kmsg.AlterConfigsRequestResource{ResourceType: kind, ResourceName: name})
	req.ValidateOnly = true
	return req
}

func incrementalRequest(kind kmsg.ConfigResourceType, name string) kmsg.Request {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kind, ResourceName: name})
	req.ValidateOnly = true
	return req
}
