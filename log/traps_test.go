package log

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/record"
)

// Each test here is a mistake that cost some broker a release, or some client's
// users a night. What concerns ApiVersions and frames alone is tested in the broker.

// batchOf is one record batch as a producer sends it.
func batchOf(h record.Header, records ...[2]string) []byte {
	var b record.Builder
	for i, kv := range records {
		var key []byte
		if kv[0] != "" {
			key = []byte(kv[0])
		}
		b.Append(1_700_000_000_000+int64(i), key, []byte(kv[1]), nil)
	}
	return bytes.Clone(b.Finish(h))
}

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
		rt.Topic = kmsg.StringPtr("nowhere")
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

// The offsets of a group that was never seen are -1 without an error; a client
// takes anything else for a failure.
func TestOffsetsOfAnUnknownGroup(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for v := int16(1); v <= 9; v++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "never-seen"
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = "t", []int32{0}
		req.Topics = append(req.Topics, rt)
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "never-seen"
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = "t", []int32{0}
		g.Topics = append(g.Topics, gt)
		req.Groups = append(req.Groups, g)
		resp := ask[*kmsg.OffsetFetchResponse](w, v, req)
		if v < 8 {
			p := resp.Topics[0].Partitions[0]
			if resp.ErrorCode != 0 || p.ErrorCode != 0 || p.Offset != -1 || p.Metadata == nil || *p.Metadata != "" {
				t.Errorf("v%d: %+v", v, p)
			}
			continue
		}
		p := resp.Groups[0].Topics[0].Partitions[0]
		if resp.Groups[0].ErrorCode != 0 || p.ErrorCode != 0 || p.Offset != -1 || p.Metadata == nil || *p.Metadata != "" {
			t.Errorf("v%d: %+v", v, p)
		}
	}
}

// librdkafka cannot read null records, and every Fetch at the end of a partition
// has none. A session that is asked for is not granted.
func TestAnEmptyFetch(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	for v := int16(4); v <= 18; v++ {
		req := fetchRequest("t", id, 0)
		req.SessionEpoch = 0 // "open a session"
		resp := ask[*kmsg.FetchResponse](w, v, req)
		p := fetched(resp)
		if p.ErrorCode != 0 || p.RecordBatches == nil || len(p.RecordBatches) != 0 || resp.SessionID != 0 {
			t.Errorf("v%d: error %d, records %v, session %d", v, p.ErrorCode, p.RecordBatches, resp.SessionID)
		}
		if p.HighWatermark != 0 || p.LastStableOffset != 0 {
			t.Errorf("v%d: high watermark %d, last stable %d", v, p.HighWatermark, p.LastStableOffset)
		}
	}
	req := fetchRequest("t", id, 0)
	req.SessionID, req.SessionEpoch = 77, 3
	if resp := ask[*kmsg.FetchResponse](w, 11, req); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("a session that nobody granted: error %d", resp.ErrorCode)
	}
}

// A consumer that stops in the middle of a batch asks for an offset within it, and
// hangs for ever if it gets the next batch, or nothing because of a small limit.
func TestFetchGivesWholeBatches(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	for range 3 {
		batch := batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"b", "2"}, [2]string{"c", "3"})
		if p := produced(ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, batch))); p.ErrorCode != 0 {
			t.Fatalf("error %d", p.ErrorCode)
		}
	}
	req := fetchRequest("t", id, 4) // the middle of the second batch
	req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1
	got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).RecordBatches
	h, err := record.Check(got, record.Limits{})
	if err != nil || h.BaseOffset != 3 || h.Size() != len(got) {
		t.Fatalf("base offset %d, %d of %d bytes, %v; want the one batch that begins at 3", h.BaseOffset, h.Size(), len(got), err)
	}
	req = fetchRequest("t", id, 4)
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).RecordBatches; len(got) != 2*h.Size() {
		t.Fatalf("%d bytes, want the last two batches", len(got))
	}
	req = fetchRequest("t", id, 100)
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("beyond the end: error %d", p.ErrorCode)
	}
}

func TestListOffsetsOfSpecialTimes(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"b", "2"})))
	for _, c := range []struct {
		version int16
		time    int64
		offset  int64
		code    int16
	}{
		{1, -1, 2, 0}, {11, -1, 2, 0}, {1, -2, 0, 0}, {7, -3, 1, 0}, {6, -3, -1, kerr.UnsupportedVersion.Code},
		{8, -4, 0, 0}, {9, -5, -1, 0}, {11, -6, -1, 0}, {10, -6, -1, kerr.UnsupportedVersion.Code},
		{4, 1_700_000_000_001, 1, 0}, {4, 1_800_000_000_000, -1, 0}, {4, 0, 0, 0},
	} {
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Timestamp, rp.CurrentLeaderEpoch = c.time, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		p := ask[*kmsg.ListOffsetsResponse](w, c.version, req).Topics[0].Partitions[0]
		if p.Offset != c.offset || p.ErrorCode != c.code {
			t.Errorf("v%d time %d: offset %d, error %d; want %d, %d", c.version, c.time, p.Offset, p.ErrorCode, c.offset, c.code)
		}
		if c.version >= 4 && p.Offset >= 0 && p.LeaderEpoch < 0 {
			t.Errorf("v%d time %d: no leader epoch", c.version, c.time)
		}
	}
}

// A client that has seen a newer leader must not be answered by an older one, and
// the other way round (KIP-320).
func TestLeaderEpochsAreFenced(t *testing.T) {
	n, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	epoch := n.meta.Image().TopicByName("t").Partitions[0].LeaderEpoch
	w := dial(t, addr)
	id := topicID(w, "t")
	for given, want := range map[int32]int16{epoch + 1: kerr.UnknownLeaderEpoch.Code, epoch: 0, -1: 0} {
		req := fetchRequest("t", id, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = given
		if got := fetched(ask[*kmsg.FetchResponse](w, 13, req)).ErrorCode; got != want {
			t.Errorf("fetch in epoch %d, led in %d: error %d, want %d", given, epoch, got, want)
		}
		end := kmsg.NewPtrOffsetForLeaderEpochRequest()
		et := kmsg.NewOffsetForLeaderEpochRequestTopic()
		et.Topic = "t"
		ep := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		ep.CurrentLeaderEpoch, ep.LeaderEpoch = given, epoch
		et.Partitions = append(et.Partitions, ep)
		end.Topics = append(end.Topics, et)
		if got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 4, end).Topics[0].Partitions[0].ErrorCode; got != want {
			t.Errorf("epoch end in epoch %d: error %d, want %d", given, got, want)
		}
	}
}

// A client that has read further in an old epoch than it lasted is told where the
// two logs part (KIP-595).
func TestDivergingEpochs(t *testing.T) {
	fs := vfs.NewMem()
	old := openNode(t, fs)
	addr := serve(t, old)
	createTopic(t, addr, "t", 1, nil)
	one := batchOf(record.Plain(), [2]string{"a", "1"})
	if p := produced(ask[*kmsg.ProduceResponse](dial(t, addr), 11, produceRequest("t", [16]byte{}, one))); p.ErrorCode != 0 {
		t.Fatalf("error %d", p.ErrorCode)
	}
	epoch := old.meta.Image().TopicByName("t").Partitions[0].LeaderEpoch
	closeNode(t, old)

	n := openNode(t, fs) // in a new leader epoch
	w := dial(t, serve(t, n))
	id := topicID(w, "t")
	for range 2 {
		ask[*kmsg.ProduceResponse](w, 11, produceRequest("t", id, one))
	}
	req := fetchRequest("t", id, 2)
	req.Topics[0].Partitions[0].LastFetchedEpoch = epoch
	p := fetched(ask[*kmsg.FetchResponse](w, 13, req))
	if p.ErrorCode != 0 || p.DivergingEpoch.Epoch != epoch || p.DivergingEpoch.EndOffset != 1 || len(p.RecordBatches) != 0 {
		t.Errorf("error %d, %+v, %d bytes; want epoch %d to end at 1", p.ErrorCode, p.DivergingEpoch, len(p.RecordBatches), epoch)
	}
	req.Topics[0].Partitions[0].FetchOffset = 1
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != 0 || p.DivergingEpoch.Epoch >= 0 || len(p.RecordBatches) == 0 {
		t.Errorf("a log that does not diverge: error %d, %+v", p.ErrorCode, p.DivergingEpoch)
	}
	req.Topics[0].Partitions[0].LastFetchedEpoch = epoch + 100
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, req)); p.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("an epoch that never was: error %d", p.ErrorCode)
	}
}

// A topic that is created again under its name is another topic: what still asks for
// the old one must not get the new one's records.
func TestTopicIDs(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	old := topicID(w, "t")
	if _, err := admin(t, addr).DeleteTopics(within(t), "t"); err != nil {
		t.Fatal(err)
	}
	createTopic(t, addr, "t", 1, nil)
	fresh := topicID(w, "t")
	if old == fresh {
		t.Fatal("the new topic has the old one's id")
	}
	batch := batchOf(record.Plain(), [2]string{"a", "1"})
	if p := produced(ask[*kmsg.ProduceResponse](w, 13, produceRequest("t", old, batch))); p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("produce to the old id: error %d", p.ErrorCode)
	}
	if p := fetched(ask[*kmsg.FetchResponse](w, 13, fetchRequest("t", old, 0))); p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("fetch from the old id: error %d", p.ErrorCode)
	}
	if p := produced(ask[*kmsg.ProduceResponse](w, 12, produceRequest("gone", fresh, batch))); p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("produce to an unknown name: error %d", p.ErrorCode)
	}
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.TopicID = fresh
	req.Topics = append(req.Topics, rt)
	if mt := ask[*kmsg.MetadataResponse](w, 12, req).Topics[0]; mt.ErrorCode != 0 || *mt.Topic != "t" {
		t.Errorf("metadata by id: error %d", mt.ErrorCode)
	}
	req.Topics[0].TopicID = old
	if mt := ask[*kmsg.MetadataResponse](w, 12, req).Topics[0]; mt.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("metadata of the old id: error %d", mt.ErrorCode)
	}
}

func initProducer(w *wire, version int16, transactionalID string, pid int64, epoch int16) *kmsg.InitProducerIDResponse {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = 60_000, pid, epoch
	if transactionalID != "" {
		req.TransactionalID = &transactionalID
	}
	return ask[*kmsg.InitProducerIDResponse](w, version, req)
}

func endTxn(w *wire, version int16, id string, p *kmsg.InitProducerIDResponse, commit bool) *kmsg.EndTxnResponse {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id, p.ProducerID, p.ProducerEpoch, commit
	return ask[*kmsg.EndTxnResponse](w, version, req)
}

// kafkajs reads "Unknown error code 90" where an older version must say 47.
func TestFencedProducersAreToldInTheWordsOfTheirVersion(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	old := initProducer(w, 1, "t", -1, -1)
	if fresh := initProducer(w, 1, "t", -1, -1); fresh.ErrorCode != 0 || fresh.ProducerEpoch <= old.ProducerEpoch {
		t.Fatalf("the second owner: error %d, epoch %d after %d", fresh.ErrorCode, fresh.ProducerEpoch, old.ProducerEpoch)
	}
	for version, want := range map[int16]int16{1: kerr.InvalidProducerEpoch.Code, 2: kerr.ProducerFenced.Code, 5: kerr.ProducerFenced.Code} {
		if got := endTxn(w, version, "t", old, true).ErrorCode; got != want {
			t.Errorf("EndTxn v%d: error %d, want %d", version, got, want)
		}
	}
	if got := initProducer(w, 3, "t", old.ProducerID, old.ProducerEpoch).ErrorCode; got != kerr.InvalidProducerEpoch.Code {
		t.Errorf("InitProducerId v3: error %d", got)
	}
	if got := initProducer(w, 4, "t", old.ProducerID, old.ProducerEpoch).ErrorCode; got != kerr.ProducerFenced.Code {
		t.Errorf("InitProducerId v4: error %d", got)
	}
}

// Transaction version 2: producing adds the partition, ending raises the epoch, and
// a transaction that has written nothing can be ended.
func TestTransactionVersion2(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	p := initProducer(w, 5, "tx", -1, -1)
	if r := endTxn(w, 5, "tx", p, true); r.ErrorCode != 0 || r.ProducerEpoch <= p.ProducerEpoch && r.ProducerID == p.ProducerID {
		t.Fatalf("a transaction without partitions: error %d, epoch %d after %d", r.ErrorCode, r.ProducerEpoch, p.ProducerEpoch)
	} else {
		p.ProducerID, p.ProducerEpoch = r.ProducerID, r.ProducerEpoch
	}
	h := record.Plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Attributes = p.ProducerID, p.ProducerEpoch, 0, record.AttrTransactional
	req := produceRequest("t", [16]byte{}, batchOf(h, [2]string{"a", "1"}))
	req.TransactionID = kmsg.StringPtr("tx")
	// Version 11 says that the client has added the partition. It has not.
	if got := produced(ask[*kmsg.ProduceResponse](w, 11, req)).ErrorCode; got != kerr.TransactionAbortable.Code && got != kerr.InvalidTxnState.Code {
		t.Errorf("a partition outside the transaction: error %d", got)
	}
	if got := produced(ask[*kmsg.ProduceResponse](w, 10, req)).ErrorCode; got != kerr.InvalidTxnState.Code {
		t.Errorf("the same for a client that does not know TRANSACTION_ABORTABLE: error %d", got)
	}
	if got := produced(ask[*kmsg.ProduceResponse](w, 12, req)); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Fatalf("produced with error %d at %d", got.ErrorCode, got.BaseOffset)
	}
	// The same batch again is acknowledged with its first offset.
	if got := produced(ask[*kmsg.ProduceResponse](w, 12, req)); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("a duplicate: error %d at %d", got.ErrorCode, got.BaseOffset)
	}
	fetch := fetchRequest("t", topicID(w, "t"), 0)
	fetch.IsolationLevel = 1
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch)); len(got.RecordBatches) != 0 || got.LastStableOffset != 0 {
		t.Errorf("an open transaction is visible: %d bytes, last stable %d", len(got.RecordBatches), got.LastStableOffset)
	}
	if r := endTxn(w, 5, "tx", p, false); r.ErrorCode != 0 || r.ProducerEpoch != p.ProducerEpoch+1 {
		t.Fatalf("abort: error %d, epoch %d", r.ErrorCode, r.ProducerEpoch)
	}
	// The marker is written behind the answer; the client waits for more to read.
	fetch.MaxWaitMillis, fetch.MinBytes = 10_000, 1
	got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch))
	if len(got.AbortedTransactions) != 1 || got.AbortedTransactions[0].ProducerID != p.ProducerID || got.AbortedTransactions[0].FirstOffset != 0 {
		t.Errorf("aborted transactions: %+v", got.AbortedTransactions)
	}
}

func joinRequest(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = group, member, "consumer"
	req.SessionTimeoutMillis = 10_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte("m")
	req.Protocols = append(req.Protocols, p)
	return req
}

// From version 4 on a member first gets its id, so that one that tries again does
// not leave ghosts behind; a static member has its name for that. A rebalance
// timeout of 0 means the session timeout.
func TestJoiningAGroup(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	req := joinRequest("g", "")
	req.RebalanceTimeoutMillis = 0
	first := ask[*kmsg.JoinGroupResponse](w, 5, req)
	if first.ErrorCode != kerr.MemberIDRequired.Code || first.MemberID == "" {
		t.Fatalf("the first join: error %d, member %q", first.ErrorCode, first.MemberID)
	}
	req.MemberID = first.MemberID
	joined := ask[*kmsg.JoinGroupResponse](w, 5, req)
	if joined.ErrorCode != 0 || joined.LeaderID != first.MemberID || joined.Generation < 1 || len(joined.Members) != 1 {
		t.Fatalf("the second join: error %d, %+v", joined.ErrorCode, joined)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", joined.MemberID, joined.Generation
	if got := ask[*kmsg.HeartbeatResponse](w, 3, beat).ErrorCode; got != 0 && got != kerr.RebalanceInProgress.Code {
		t.Errorf("the member is gone: error %d", got)
	}
	static := joinRequest("s", "")
	static.InstanceID = kmsg.StringPtr("one")
	if got := ask[*kmsg.JoinGroupResponse](w, 5, static); got.ErrorCode != 0 {
		t.Errorf("a static member: error %d", got.ErrorCode)
	}
	if got := ask[*kmsg.JoinGroupResponse](w, 3, joinRequest("old", "")); got.ErrorCode != 0 {
		t.Errorf("version 3: error %d", got.ErrorCode)
	}
}

func TestMetadataCreatesOnlyWhatIsWantedAndValid(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	ask1 := func(version int16, name string, allow bool) kmsg.MetadataResponseTopic {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = allow
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt, rt) // named twice, answered once
		resp := ask[*kmsg.MetadataResponse](w, version, req)
		if len(resp.Topics) != 1 {
			t.Fatalf("%d answers for one topic", len(resp.Topics))
		}
		return resp.Topics[0]
	}
	if got := ask1(4, "a", false); got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("not wanted: error %d", got.ErrorCode)
	}
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ä", string(bytes.Repeat([]byte("x"), 250))} {
		if got := ask1(4, name, true); got.ErrorCode != kerr.InvalidTopicException.Code {
			t.Errorf("%q: error %d", name, got.ErrorCode)
		}
	}
	for version, name := range map[int16]string{0: "by-v0", 3: "by-v3", 4: "by-v4", 13: "by-v13"} {
		if got := ask1(version, name, true); got.ErrorCode != 0 || len(got.Partitions) != 1 || got.Partitions[0].Leader != 1 {
			t.Errorf("v%d: %+v", version, got)
		}
		// The leader is at work when the answer is there.
		batch := batchOf(record.Plain(), [2]string{"a", "1"})
		if got := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest(name, [16]byte{}, batch))); got.ErrorCode != 0 {
			t.Errorf("v%d: produce at once: error %d", version, got.ErrorCode)
		}
	}
	// No topics means none from version 1 on; null means all.
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	if got := ask[*kmsg.MetadataResponse](w, 1, req); len(got.Topics) != 0 || got.Brokers[0].Port == 0 {
		t.Errorf("none: %d topics", len(got.Topics))
	}
	req.Topics = nil
	if got := ask[*kmsg.MetadataResponse](w, 9, req); len(got.Topics) < 4 {
		t.Errorf("all: %d topics", len(got.Topics))
	}
}

// acks=0 has no answer; an error shows by the connection's end.
func TestAcks0(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	good := produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))
	good.Acks = 0
	w.send(9, good)
	id := topicID(w, "t") // the next answer on the connection is this one's
	fetch := fetchRequest("t", id, 0)
	fetch.MaxWaitMillis = 10_000
	if got := fetched(ask[*kmsg.FetchResponse](w, 13, fetch)); len(got.RecordBatches) == 0 {
		t.Error("the record is not there")
	}
	bad := produceRequest("nowhere", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))
	bad.Acks = 0
	w.send(9, bad)
	w.closed()
}

func TestBatchesThatAreRefused(t *testing.T) {
	_, addr := newNode(t)
	compact, small := "compact", "1000"
	createTopic(t, addr, "t", 1, map[string]*string{"max.message.bytes": &small})
	createTopic(t, addr, "c", 1, map[string]*string{"cleanup.policy": &compact})
	w := dial(t, addr)
	good := batchOf(record.Plain(), [2]string{"a", "1"})
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	control := record.ControlBatch(record.Control{Marker: record.Commit}, 1, 0, time.Now().UnixMilli())
	transactional := record.Plain()
	transactional.ProducerID, transactional.ProducerEpoch, transactional.BaseSequence, transactional.Attributes = 1, 0, 0, record.AttrTransactional
	for _, c := range []struct {
		name, topic string
		batch       []byte
		acks        int16
		want        *kerr.Error
	}{
		{"a flipped bit", "t", change(func(b []byte) { b[len(b)-1] ^= 1 }), -1, kerr.CorruptMessage},
		{"format 1", "t", change(func(b []byte) { b[16] = 1 }), -1, kerr.UnsupportedForMessageFormat},
		{"a length beyond the bytes", "t", change(func(b []byte) { b[11]++ }), -1, kerr.InvalidRecord},
		{"a cut header", "t", good[:30], -1, kerr.CorruptMessage},
		{"nothing", "t", []byte{}, -1, kerr.CorruptMessage},
		{"two batches", "t", append(bytes.Clone(good), good...), -1, kerr.InvalidRecord},
		{"a batch over max.message.bytes", "t", batchOf(record.Plain(), [2]string{"a", string(make([]byte, 1000))}), -1, kerr.MessageTooLarge},
		{"a control batch", "t", control, -1, kerr.InvalidRecord},
		{"a transaction without its id", "t", batchOf(transactional, [2]string{"a", "1"}), -1, kerr.TransactionalIDAuthorizationFailed},
		{"acks 2", "t", good, 2, kerr.InvalidRequiredAcks},
		{"an internal topic", "__consumer_offsets", good, -1, kerr.InvalidTopicException},
		{"no key in a compacted topic", "c", batchOf(record.Plain(), [2]string{"a", "1"}, [2]string{"", "2"}), -1, kerr.InvalidRecord},
	} {
		req := produceRequest(c.topic, [16]byte{}, c.batch)
		req.Acks = c.acks
		p := produced(ask[*kmsg.ProduceResponse](w, 9, req))
		if p.ErrorCode != c.want.Code || p.BaseOffset != -1 || p.ErrorMessage == nil {
			t.Errorf("%s: %v (%d), want %v", c.name, kerr.ErrorForCode(p.ErrorCode), p.ErrorCode, c.want)
		}
		if c.topic == "c" && (len(p.ErrorRecords) != 1 || p.ErrorRecords[0].RelativeOffset != 1) {
			t.Errorf("the record without key is not named: %+v", p.ErrorRecords)
		}
	}
	if p := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, good))); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("after all of them the first good batch: error %d at %d", p.ErrorCode, p.BaseOffset)
	}
}

func TestLogAppendTime(t *testing.T) {
	_, addr := newNode(t)
	appendTime := "LogAppendTime"
	createTopic(t, addr, "t", 1, map[string]*string{"message.timestamp.type": &appendTime})
	w := dial(t, addr)
	before := time.Now().UnixMilli()
	p := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))))
	if p.ErrorCode != 0 || p.LogAppendTime < before {
		t.Fatalf("error %d, append time %d", p.ErrorCode, p.LogAppendTime)
	}
	got := fetched(ask[*kmsg.FetchResponse](w, 13, fetchRequest("t", topicID(w, "t"), 0))).RecordBatches
	h, err := record.Check(got, record.Limits{})
	if err != nil || !h.AppendTime() || h.MaxTimestamp != p.LogAppendTime {
		t.Fatalf("stored with %+v, %v", h, err)
	}
}
