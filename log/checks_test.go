package log

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The tests of this file hold the order in which requests are checked against Kafka's.
// What is wrong in two ways is refused for the one that Kafka names: clients decide by
// the code whether to try again, to go on or to give up.

// FindCoordinator says where, and leaves it to the coordinator to refuse the empty id.
func TestTheEmptyTransactionalIDHasACoordinator(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType = 1
	if resp := ask[*kmsg.FindCoordinatorResponse](w, 2, req); resp.ErrorCode != 0 || resp.NodeID != 1 {
		t.Errorf("error %d, node %d", resp.ErrorCode, resp.NodeID)
	}
	empty := ""
	producer := kmsg.NewPtrInitProducerIDRequest()
	producer.TransactionalID, producer.TransactionTimeoutMillis, producer.ProducerID, producer.ProducerEpoch = &empty, 1000, -1, -1
	if resp := ask[*kmsg.InitProducerIDResponse](w, 4, producer); resp.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("its coordinator: error %d", resp.ErrorCode)
	}
}

// Of a group that is named twice one answer said that it was deleted and the other that
// there is none: a tool that reads the last one reports a failure.
func TestAGroupNamedTwiceIsDeletedOnce(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation = "g", -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
	if got := ask[*kmsg.OffsetCommitResponse](w, 8, commit).Topics[0].Partitions[0].ErrorCode; got != 0 {
		t.Fatalf("commit: error %d", got)
	}
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{"g", "g"}
	if groups := ask[*kmsg.DeleteGroupsResponse](w, 2, req).Groups; len(groups) != 1 || groups[0].ErrorCode != 0 {
		t.Errorf("%+v", groups)
	}
}

func TestProduceWithImpossibleAcksToNoTopic(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	req := produceRequest("nowhere", [16]byte{}, nil)
	req.Acks = 2
	if got := produced(ask[*kmsg.ProduceResponse](w, 9, req)).ErrorCode; got != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("no topic: error %d", got)
	}
	createTopic(t, addr, "t", 1, nil)
	req = produceRequest("t", [16]byte{}, nil)
	req.Acks, req.Topics[0].Partitions[0].Partition = 2, 5
	if got := produced(ask[*kmsg.ProduceResponse](w, 9, req)).ErrorCode; got != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("no partition: error %d", got)
	}
}

// A producer of version 1 could put the partitions of the log's own topics into its
// transaction by name, and had markers written there.
func TestInternalTopicsAreNotAddedToTransactions(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	p := initProducer(w, 4, "tx", -1, -1)
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = "tx", p.ProducerID, p.ProducerEpoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: []int32{0}}, {Topic: "__consumer_offsets", Partitions: []int32{0}}}
	var codes []int16
	for _, rt := range ask[*kmsg.AddPartitionsToTxnResponse](w, 3, req).Topics {
		codes = append(codes, rt.Partitions[0].ErrorCode)
	}
	if want := []int16{kerr.OperationNotAttempted.Code, kerr.TopicAuthorizationFailed.Code}; !slices.Equal(codes, want) {
		t.Errorf("errors %v, want %v", codes, want)
	}
}

func TestAProducerIDWithoutItsEpoch(t *testing.T) {
	_, addr := newNode(t)
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = 5, -1
	if resp := ask[*kmsg.InitProducerIDResponse](dial(t, addr), 4, req); resp.ErrorCode != kerr.InvalidRequest.Code || resp.ProducerID != -1 {
		t.Errorf("error %d, producer %d", resp.ErrorCode, resp.ProducerID)
	}
}

// A name and the id that it stands for are one topic that is named twice: neither is
// deleted, since the caller may have meant two.
func TestATopicByNameAndByIDIsNotDeleted(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "a", 1, nil)
	w := dial(t, addr)
	name, id := "a", topicID(w, "a")
	for _, refs := range [][]kmsg.DeleteTopicsRequestTopic{{{Topic: &name}, {TopicID: id}}, {{TopicID: id}, {Topic: &name}}} {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis, req.Topics = 10_000, refs
		topics := ask[*kmsg.DeleteTopicsResponse](w, 6, req).Topics
		if len(topics) != 1 || topics[0].ErrorCode != kerr.InvalidRequest.Code || str(topics[0].Topic) != "a" || topics[0].TopicID != id {
			t.Errorf("%+v", topics)
		}
	}
	if topicID(w, "a") != id {
		t.Error("it is gone")
	}
}

// Scripts that create topics again and again take TOPIC_ALREADY_EXISTS for success,
// whatever else they ask for.
func TestWhatIsWrongWithANewTopicFirst(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "there", 1, nil)
	w := dial(t, addr)
	config := func(key string, value *string) func(*kmsg.CreateTopicsRequestTopic) {
		return func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions = 0
			rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: key, Value: value}}
		}
	}
	soon := "soon"
	for _, c := range []struct {
		name   string
		change func(*kmsg.CreateTopicsRequestTopic)
		want   *kerr.Error
	}{
		{"there", config("retention.ms", nil), kerr.TopicAlreadyExists},
		{"no/such", config("retention.ms", nil), kerr.InvalidTopicException},
		{"new", config("retention.ms", nil), kerr.InvalidConfig},
		{"new", config("retention.ms", &soon), kerr.InvalidConfig},
		{"new", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions, rt.ReplicationFactor = 0, 0 }, kerr.InvalidReplicationFactor},
		{"new", func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions, rt.ReplicationFactor = 0, 9 }, kerr.InvalidPartitions},
	} {
		if got := ask[*kmsg.CreateTopicsResponse](w, 5, newTopicRequest(c.name, c.change)).Topics[0].ErrorCode; got != c.want.Code {
			t.Errorf("%s: error %d, want %v", c.name, got, c.want)
		}
	}
}

func TestProducersOfATopicThatNobodyCanHave(t *testing.T) {
	_, addr := newNode(t)
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "no/such", Partitions: []int32{0}}}
	if got := ask[*kmsg.DescribeProducersResponse](dial(t, addr), 0, req).Topics[0].Partitions[0].ErrorCode; got != kerr.InvalidTopicException.Code {
		t.Errorf("error %d", got)
	}
}

// From version 5 on a client says which protocol it believes in; one that does not has
// not read what it agreed to.
func TestSyncGroupWithoutItsProtocol(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	kind := "consumer"
	for _, c := range []struct {
		version        int16
		kind, protocol *string
		want           *kerr.Error
	}{
		{5, nil, nil, kerr.InconsistentGroupProtocol}, {5, &kind, nil, kerr.InconsistentGroupProtocol},
		{5, &kind, &kind, kerr.UnknownMemberID}, {4, nil, nil, kerr.UnknownMemberID},
	} {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.ProtocolType, req.Protocol = "g", "m", c.kind, c.protocol
		if got := ask[*kmsg.SyncGroupResponse](w, c.version, req).ErrorCode; got != c.want.Code {
			t.Errorf("v%d: error %d, want %v", c.version, got, c.want)
		}
	}
}

func TestListOffsetsRefusesTheQuestionFirst(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	asked := func(version int16, times ...int64) (codes []int16) {
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "nowhere"
		for _, ts := range times {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Timestamp = ts
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		for _, p := range ask[*kmsg.ListOffsetsResponse](w, version, req).Topics[0].Partitions {
			codes = append(codes, p.ErrorCode)
		}
		return codes
	}
	twice, unknown, unsupported := kerr.InvalidRequest.Code, kerr.UnknownTopicOrPartition.Code, kerr.UnsupportedVersion.Code
	for _, c := range []struct {
		got, want []int16
	}{
		{asked(7, -1, -2), []int16{twice, twice}}, {asked(7, -1), []int16{unknown}},
		{asked(7, -4), []int16{unsupported}}, {asked(8, -4), []int16{unknown}}, {asked(11, -7), []int16{unsupported}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("errors %v, want %v", c.got, c.want)
		}
	}
}

func TestTheEndpointsOfControllers(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for kind, want := range map[int8]int16{1: 0, 2: kerr.MismatchedEndpointType.Code, 3: kerr.UnsupportedEndpointType.Code} {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType = kind
		if resp := ask[*kmsg.DescribeClusterResponse](w, 1, req); resp.ErrorCode != want {
			t.Errorf("endpoint type %d: error %d, want %d", kind, resp.ErrorCode, want)
		}
	}
}

// Who goes on with another list of topics than he began with would miss some.
func TestPagesGoOnWithTheTopicsThatTheyBeganWith(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "a", 1, nil)
	createTopic(t, addr, "b", 1, nil)
	w := dial(t, addr)
	for from, want := range map[string]int16{"a": 0, "c": kerr.InvalidRequest.Code} {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = 10
		req.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}, {Topic: "b"}}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic = from
		req.Cursor = &cursor
		topics := ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, req).Topics
		if len(topics) != 2 || topics[0].ErrorCode != want {
			t.Errorf("from %s on: %+v", from, topics)
		}
	}
}

// Old clients that were given no group commit for the one without a name. They got
// INVALID_GROUP_ID, which ends them.
func TestTheGroupWithoutAName(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Generation = -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 5, LeaderEpoch: -1}}}}
	if got := ask[*kmsg.OffsetCommitResponse](w, 2, commit).Topics[0].Partitions[0].ErrorCode; got != 0 {
		t.Fatalf("commit: error %d", got)
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	if got := ask[*kmsg.OffsetFetchResponse](w, 4, fetch); got.ErrorCode != 0 || got.Topics[0].Partitions[0].Offset != 5 {
		t.Errorf("v4: %+v", got)
	}
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}
	fetch.Groups = append(fetch.Groups, group)
	if got := ask[*kmsg.OffsetFetchResponse](w, 8, fetch).Groups[0]; got.ErrorCode != 0 || got.Topics[0].Partitions[0].Offset != 5 {
		t.Errorf("v8: %+v", got)
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.ProtocolType, join.SessionTimeoutMillis = "consumer", 10_000
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	if got := ask[*kmsg.JoinGroupResponse](w, 3, join).ErrorCode; got != kerr.InvalidGroupID.Code {
		t.Errorf("to join it: error %d", got)
	}
	p := initProducer(w, 4, "tx", -1, -1)
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = "tx", p.ProducerID, p.ProducerEpoch
	if got := ask[*kmsg.AddOffsetsToTxnResponse](w, 3, add).ErrorCode; got != 0 {
		t.Errorf("its partition in a transaction: error %d", got)
	}
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{""}
	if got := ask[*kmsg.DeleteGroupsResponse](w, 1, remove).Groups[0].ErrorCode; got != 0 {
		t.Errorf("delete: error %d", got)
	}
}

// Versions 10 and 11 have room for ids and take none: who names a topic so is told that
// of all his topics, and none of them is created on the way.
func TestMetadataByIDBeforeItsTime(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for _, unclear := range []kmsg.MetadataRequestTopic{{}, {TopicID: [16]byte{1}}} {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = true
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: new("new")}, unclear}
		for _, mt := range ask[*kmsg.MetadataResponse](w, 11, req).Topics {
			if mt.ErrorCode != kerr.InvalidRequest.Code {
				t.Errorf("%+v: topic %q has error %d", unclear, str(mt.Topic), mt.ErrorCode)
			}
		}
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: new("new")}}
	if got := ask[*kmsg.MetadataResponse](w, 12, req).Topics[0].ErrorCode; got != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("it was created: error %d", got)
	}
}

func TestNewPartitionsWithAnEmptyAssignment(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for _, c := range []struct {
		assignment []kmsg.CreatePartitionsRequestTopicAssignment
		want       int16
	}{{[]kmsg.CreatePartitionsRequestTopicAssignment{}, kerr.InvalidReplicaAssignment.Code}, {nil, 0}} {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis = 10_000
		req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 2, Assignment: c.assignment}}
		if got := ask[*kmsg.CreatePartitionsResponse](w, 2, req).Topics[0].ErrorCode; got != c.want {
			t.Errorf("%v: error %d, want %d", c.assignment, got, c.want)
		}
	}
}
