package log

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// versions asks for the ranges, as kafkajs does.
func versions(w *wire) []kmsg.ApiVersionsResponseApiKey {
	w.t.Helper()
	return ask[*kmsg.ApiVersionsResponse](w, 2, kmsg.NewPtrApiVersionsRequest()).ApiKeys
}

func rangeOf(w *wire, key int16) (r kmsg.ApiVersionsResponseApiKey, ok bool) {
	w.t.Helper()
	keys := versions(w)
	i := slices.IndexFunc(keys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == key })
	if i < 0 {
		return r, false
	}
	return keys[i], true
}

// librdkafka before 2.11 sends data uncompressed to a broker that does not list Produce
// 0 (KAFKA-18659): 3115 bytes instead of 132 in one measurement. Nobody sends these
// versions, and whoever does is cut off.
func TestProduceIsAdvertisedFromZero(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	if r, ok := rangeOf(dial(t, addr), 0); !ok || r.MinVersion != 0 || r.MaxVersion != 13 {
		t.Errorf("Produce %d-%d", r.MinVersion, r.MaxVersion)
	}
	for v := range int16(3) {
		w := dial(t, addr)
		w.send(v, produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"k", "v"})))
		w.closed()
	}
	if got := produced(ask[*kmsg.ProduceResponse](dial(t, addr), 3, produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"k", "v"})))); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("v3: error %d at %d, after versions that must not have been appended", got.ErrorCode, got.BaseOffset)
	}
}

// Without JoinGroup 0, librdkafka before 2.11 takes a broker for one without groups, and
// refuses SASL (KAFKA-19444). Kafka 4.0.1 put it back.
func TestJoinGroupIsAdvertisedFromZero(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	if r, ok := rangeOf(w, 11); !ok || r.MinVersion != 0 || r.MaxVersion != 9 {
		t.Fatalf("JoinGroup %d-%d", r.MinVersion, r.MaxVersion)
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis = "g", "consumer", 10_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	// Version 0 has no rebalance timeout and no member id that comes first.
	if resp := ask[*kmsg.JoinGroupResponse](w, 0, req); resp.ErrorCode != 0 || resp.MemberID == "" || resp.LeaderID != resp.MemberID {
		t.Errorf("v0: error %d, member %q, leader %q", resp.ErrorCode, resp.MemberID, resp.LeaderID)
	}
}

// kafkajs asks for versions on its seed connection and takes the answer for that of
// every broker, so it must not depend on who asks or how.
func TestRangesAreTheSameOnEveryConnection(t *testing.T) {
	n, addr := newNode(t)
	first := versions(dial(t, addr))
	if other := versions(dial(t, serve(t, n))); !slices.EqualFunc(first, other, sameRange) {
		t.Errorf("another listener: %v, want %v", other, first)
	}
	createTopic(t, addr, "t", 1, nil) // state changes nothing
	if later := versions(dial(t, addr)); !slices.EqualFunc(first, later, sameRange) {
		t.Errorf("later: %v, want %v", later, first)
	}
}

func sameRange(a, b kmsg.ApiVersionsResponseApiKey) bool {
	return a.ApiKey == b.ApiKey && a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion
}

// Kafka has no error for them but the end of the connection, and clients take an answer
// that they cannot read for anything.
func TestUnknownKeysAndVersionsCloseTheConnection(t *testing.T) {
	_, addr := newNode(t)
	for _, c := range []struct {
		name string
		req  kmsg.Request
		v    int16
	}{
		{"WriteTxnMarkers, which is for brokers", kmsg.NewPtrWriteTxnMarkersRequest(), 1},
		{"LeaderAndISR, which is of the past", kmsg.NewPtrLeaderAndISRRequest(), 4},
		{"Fetch 3, which Kafka 4 has dropped", kmsg.NewPtrFetchRequest(), 3},
		{"OffsetCommit 1, which Kafka 4 has dropped", kmsg.NewPtrOffsetCommitRequest(), 1},
	} {
		w := dial(t, addr)
		w.send(c.v, c.req)
		if _, err := w.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s is answered", c.name)
		}
	}
	checkAlive(t, addr)
}

// Every Java, librdkafka and kgo client opens a subscription where telemetry (71, 72) is
// advertised. Share groups (76 to 79) of version 0 break clients of 4.1, and what is
// for brokers is no client's business.
func TestWhatIsNotServedIsNotAdvertised(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for _, k := range versions(w) {
		switch k.ApiKey {
		case 4, 5, 6, 7, 27, 34, 38, 39, 40, 41, 52, 53, 54, 56, 58, 59, 62, 63, 64, 67, 70, 71, 72, 73, 76, 77, 78, 79:
			t.Errorf("%s is advertised", kmsg.NameForKey(k.ApiKey))
		}
	}
	w.send(0, kmsg.NewPtrGetTelemetrySubscriptionsRequest())
	w.closed()
}

// mustRanges are what clients need, with the lowest and highest versions that were seen
// on the wire: kafka-go, kafkajs, librdkafka old and new, the Java client, kgo.
var mustRanges = []struct{ key, min, max int16 }{
	{0, 0, 13}, {1, 4, 18}, {2, 1, 11}, {3, 0, 13}, {8, 2, 10}, {9, 1, 10}, {10, 0, 6}, {11, 0, 9}, {12, 0, 4}, {13, 0, 5},
	{14, 0, 5}, {15, 0, 6}, {16, 0, 5}, {17, 0, 1}, {18, 0, 5}, {19, 2, 7}, {20, 1, 6}, {21, 0, 2}, {22, 0, 5}, {23, 2, 4},
	{24, 0, 5}, {25, 0, 4}, {26, 0, 5}, {28, 0, 6}, {29, 1, 3}, {30, 1, 3}, {31, 1, 3}, {32, 1, 4}, {33, 0, 2}, {35, 1, 5},
	{36, 0, 2}, {37, 0, 3}, {42, 0, 3}, {43, 0, 2}, {44, 0, 1}, {45, 0, 1}, {46, 0, 0}, {47, 0, 0}, {48, 0, 1}, {49, 0, 1},
	{50, 0, 0}, {51, 0, 0}, {55, 0, 2}, {57, 0, 2}, {60, 0, 2}, {61, 0, 0}, {65, 0, 0}, {66, 0, 2}, {68, 0, 1}, {69, 0, 1},
	{74, 0, 1}, {75, 0, 0},
}

// A range that is narrower than Kafka's locks out somebody's client; one that is wider
// promises what was not tried.
func TestRangesAreKafkas(t *testing.T) {
	_, addr := newNode(t)
	served := map[int16]kmsg.ApiVersionsResponseApiKey{}
	for _, k := range versions(dial(t, addr)) {
		served[k.ApiKey] = k
	}
	for _, want := range mustRanges {
		got, ok := served[want.key]
		if !ok || got.MaxVersion != want.max || got.MinVersion > want.min {
			t.Errorf("%s: %d-%d (served: %v), Kafka has %d-%d", kmsg.NameForKey(want.key), got.MinVersion, got.MaxVersion, ok, want.min, want.max)
		}
		if got.MinVersion < want.min && want.key != 19 { // CreateTopics 0 and 1 are harmless, and kafka-go sends them
			t.Errorf("%s is served from %d, Kafka serves from %d", kmsg.NameForKey(want.key), got.MinVersion, want.min)
		}
	}
	if len(served) != len(mustRanges) {
		t.Errorf("%d keys are served, %d are meant to be", len(served), len(mustRanges))
	}
}

// The Java admin client throws on a null list of configs or replicas, librdkafka on null
// records. (Every answer of these tests passes a check for nulls, too.)
func TestEmptyIsNotNull(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	for v := int16(5); v <= 7; v++ {
		req := newTopicRequest("t", nil)
		if v > 5 {
			req = newTopicRequest("t", nil) // it exists: an error has no configs, but a list
		}
		rt := ask[*kmsg.CreateTopicsResponse](w, v, req).Topics[0]
		if rt.Configs == nil || v == 5 && len(rt.Configs) == 0 {
			t.Errorf("CreateTopics v%d: configs %v", v, rt.Configs)
		}
		for _, c := range rt.Configs {
			if c.Source < 1 || c.Source > 6 {
				t.Errorf("CreateTopics v%d: %s comes from %d", v, c.Name, c.Source)
			}
		}
	}
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 10
	for _, topic := range ask[*kmsg.DescribeTopicPartitionsResponse](w, 0, describe).Topics {
		for _, p := range topic.Partitions {
			if p.EligibleLeaderReplicas == nil || p.LastKnownELR == nil {
				t.Errorf("%s/%d: %+v", *topic.Topic, p.Partition, p)
			}
		}
	}
}

// A session that is granted must be kept, and who does not want one (epoch -1, as
// kafkajs), or closes what it believes to have, gets none.
func TestFetchSessionsForWhoWantsOne(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	id := topicID(w, "t")
	for v := int16(7); v <= 18; v++ {
		for _, c := range []struct {
			session, epoch int32
			granted        bool
			want           int16
		}{{0, -1, false, 0}, {0, 0, true, 0}, {5, -1, false, 0}, {5, 0, true, 0}, {5, 1, false, kerr.FetchSessionIDNotFound.Code}} {
			req := fetchRequest("t", id, 0)
			req.SessionID, req.SessionEpoch = c.session, c.epoch
			resp := ask[*kmsg.FetchResponse](w, v, req)
			if (resp.SessionID != 0) != c.granted || resp.ErrorCode != c.want || c.want == 0 && len(resp.Topics) != 1 {
				t.Errorf("v%d, session %d epoch %d: session %d, error %d, %d topics", v, c.session, c.epoch, resp.SessionID, resp.ErrorCode, len(resp.Topics))
			}
		}
	}
}
