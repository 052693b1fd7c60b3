package group

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// TestScripts runs the behaviour tests of testdata. Requests are numbered as they are
// made; member ids are shown as the client's name and a number.
func TestScripts(t *testing.T) {
	coordtest.Script(t, func(*testing.T) func(coordtest.Command) string {
		m := newMachine(Config{InitialDelay: -1})
		return m.run
	})
}

// start is the time of day when a test's clock shows 0.
var start = time.UnixMilli(1_000_000)

// machine is a core on a Bench, with its answers as text.
type machine struct {
	bench  *coordtest.Bench
	out    strings.Builder
	names  map[string]string // member ids as they are shown
	ids    map[string]string // and back
	n      uint64
	topics coord.Topics
	times  map[string]Times // what was set for groups
}

// view is the metadata with what was set for groups.
type view struct {
	coord.Catalog
	times map[string]Times
}

func (v view) GroupTimes(group string) Times { return v.times[group] }

// metadata is what requests bring with them.
func (m *machine) metadata() coord.Topics {
	if topics, ok := m.topics.(coord.Catalog); ok {
		return view{topics, maps.Clone(m.times)}
	}
	return m.topics
}

func newMachine(cfg Config) *machine {
	m := &machine{}
	m.reset(cfg)
	return m
}

// reset begins again with an empty log.
func (m *machine) reset(cfg Config) {
	m.times = map[string]Times{}
	m.names, m.ids = map[string]string{}, map[string]string{}
	seed := uint64(0)
	m.bench = &coordtest.Bench{
		New: func() coord.Replayable {
			seed++
			c := NewCore(cfg, start, rand.New(rand.NewPCG(seed, 1)))
			c.learn(m.metadata())
			return c
		},
		OnAppend: func(records []coord.Record) {
			for _, r := range records {
				m.printf("  append %s\n", m.showRecord(r))
			}
		},
		OnReply: func(id uint64, resp any, err error) {
			if err != nil {
				m.printf("  reply %d lost\n", id)
				return
			}
			m.printf("  reply %d %s\n", id, m.showResponse(resp))
		},
	}
	m.bench.Start()
}

func (m *machine) printf(format string, args ...any) { fmt.Fprintf(&m.out, format, args...) }

// run carries out one line and returns what came of it.
func (m *machine) run(c coordtest.Command) string {
	m.out.Reset()
	switch c.Verb {
	case "wait":
		d, err := time.ParseDuration(c.Word(0))
		if err != nil {
			c.Fail(err.Error())
		}
		m.bench.Advance(d)
	case "config":
		m.reset(Config{InitialDelay: c.Duration("initial", -1), InitialDelayMax: c.Duration("initial-max", 0),
			OffsetsRetention: c.Duration("retention", 0), ConsumerSession: c.Duration("session", 0),
			MaxSize: int(c.Int("size", 0)), MaxMetadataBytes: int(c.Int("metadata", 0)), MaxCommitBytes: int(c.Int("commit", 0))})
	case "topics":
		m.topics = parseTopics(c)
	case "times": // of a group: session=50s heartbeat=6s
		m.times[c.Word(0)] = Times{Session: c.Duration("session", 0), Heartbeat: c.Duration("heartbeat", 0)}
	case "hold":
		m.bench.Hold = true
	case "commit-held":
		m.bench.Commit(int(c.Int("n", -1)))
	case "fail":
		m.bench.Fail(int(c.Int("kept", 0)))
		m.bench.Hold = false
		m.bench.Start()
	case "crash":
		m.bench.Hold = false
		m.bench.Start()
	case "marker":
		m.n++
		m.bench.Input(WriteMarker{ID: m.n, Marker: coord.Marker{ProducerID: c.Int("pid", 1), ProducerEpoch: int16(c.Int("epoch", 0)),
			CoordinatorEpoch: int32(c.Int("coordinator", 0)), Commit: c.Has("commit"), Version: int16(c.Int("version", 2))}})
	case "topics-deleted":
		m.n++
		m.bench.Input(TopicsDeleted{ID: m.n, Names: c.Words})
	default:
		m.n++
		m.bench.Input(coord.Request{ID: m.n, Body: m.request(c), Topics: m.metadata(),
			Meta: coord.Meta{ClientID: c.String("client", "c"), ClientHost: "/127.0.0.1"}})
	}
	return m.out.String()
}

// request reads a request. The first word is the group.
func (m *machine) request(c coordtest.Command) kmsg.Request {
	switch c.Verb {
	case "join":
		return m.joinRequest(c)
	case "sync":
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version, req.Group, req.MemberID = int16(c.Int("v", 5)), c.Word(0), m.id(c)
		req.Generation, req.InstanceID = int32(c.Int("gen", 1)), optional(c, "instance")
		req.ProtocolType, req.Protocol = optional(c, "type"), optional(c, "protocol")
		for _, a := range list(c, "assign") {
			id, what, _ := strings.Cut(a, ":")
			ra := kmsg.NewSyncGroupRequestGroupAssignment()
			ra.MemberID, ra.MemberAssignment = m.realID(id), []byte(what)
			if c.Has("real") {
				ra.MemberAssignment = realAssignment(c, what)
			}
			req.GroupAssignment = append(req.GroupAssignment, ra)
		}
		return req
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID = int16(c.Int("v", 4)), c.Word(0), m.id(c)
		req.Generation, req.InstanceID = int32(c.Int("gen", 1)), optional(c, "instance")
		return req
	case "leave":
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = int16(c.Int("v", 5)), c.Word(0)
		if req.Version < 3 {
			req.MemberID = m.id(c)
		}
		for _, w := range list(c, "members") {
			rm := kmsg.NewLeaveGroupRequestMember()
			rm.MemberID = m.realID(w)
			req.Members = append(req.Members, rm)
		}
		for _, w := range list(c, "instances") {
			rm := kmsg.NewLeaveGroupRequestMember()
			rm.InstanceID = new(w)
			req.Members = append(req.Members, rm)
		}
		return req
	case "describe":
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = int16(c.Int("v", 6)), c.Words
		return req
	case "list":
		req := kmsg.NewPtrListGroupsRequest()
		req.Version, req.StatesFilter, req.TypesFilter = int16(c.Int("v", 5)), list(c, "states"), list(c, "types")
		return req
	case "delete":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, c.Words
		return req
	}
	return m.consumerRequest(c)
}

func (m *machine) joinRequest(c coordtest.Command) kmsg.Request {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID = int16(c.Int("v", 9)), c.Word(0), m.id(c)
	req.SessionTimeoutMillis = int32(c.Duration("session", 10*time.Second).Milliseconds())
	req.RebalanceTimeoutMillis = int32(c.Duration("rebalance", time.Minute).Milliseconds())
	req.InstanceID, req.ProtocolType = optional(c, "instance"), c.String("type", "consumer")
	for name := range strings.SplitSeq(c.String("protocols", "range"), ",") {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name = name
		if topic := c.String("topic", ""); topic != "" {
			meta := kmsg.NewConsumerMemberMetadata()
			meta.Version, meta.Topics = 1, strings.Split(topic, "+")
			for _, w := range list(c, "owned") {
				name, n, _ := c.Partition(w)
				meta.OwnedPartitions = append(meta.OwnedPartitions, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: name, Partitions: []int32{n}})
			}
			p.Metadata = meta.AppendTo(nil)
		} else {
			p.Metadata = []byte(c.String("meta", "m"))
		}
		req.Protocols = append(req.Protocols, p)
	}
	if c.String("protocols", "range") == "" {
		req.Protocols = nil
	}
	return req
}

func (m *machine) offsetRequest(c coordtest.Command) kmsg.Request {
	switch c.Verb {
	case "commit":
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.MemberID = int16(c.Int("v", 9)), c.Word(0), m.id(c)
		req.Generation, req.InstanceID = int32(c.Int("gen", -1)), optional(c, "instance")
		req.RetentionTimeMillis = c.Int("retention", -1)
		for _, w := range c.Words[1:] {
			topic, p, v := c.Partition(w)
			rt := kmsg.NewOffsetCommitRequestTopic()
			rt.Topic, rt.TopicID = topic, topicID(topic)
			rp := kmsg.NewOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch = p, number(c, v), int32(c.Int("epoch", -1))
			rp.Metadata = new(c.String("meta", ""))
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
		}
		return req
	case "txncommit":
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version, req.Group, req.MemberID = int16(c.Int("v", 5)), c.Word(0), m.id(c)
		req.Generation, req.InstanceID = int32(c.Int("gen", -1)), optional(c, "instance")
		req.ProducerID, req.ProducerEpoch = c.Int("pid", 1), int16(c.Int("epoch", 0))
		for _, w := range c.Words[1:] {
			topic, p, v := c.Partition(w)
			rt := kmsg.NewTxnOffsetCommitRequestTopic()
			rt.Topic, rt.TopicID = topic, topicID(topic)
			rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, number(c, v), -1, new("")
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
		}
		return req
	case "fetch":
		return fetchRequest(c)
	case "delete-offsets":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = c.Word(0)
		for _, w := range c.Words[1:] {
			topic, p, _ := c.Partition(w)
			rt := kmsg.NewOffsetDeleteRequestTopic()
			rt.Topic, rt.Partitions = topic, []kmsg.OffsetDeleteRequestTopicPartition{{Partition: p}}
			req.Topics = append(req.Topics, rt)
		}
		return req
	}
	c.Fail("unknown verb")
	return nil
}

// fetchRequest asks for the partitions named, or for all without any.
func fetchRequest(c coordtest.Command) kmsg.Request {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = int16(c.Int("v", 9)), c.Int("stable", 0) != 0
	req.Group = c.Word(0)
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.MemberID, g.MemberEpoch = c.Word(0), optional(c, "member"), int32(c.Int("epoch", -1))
	for _, w := range c.Words[1:] {
		topic, p, _ := c.Partition(w)
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, []int32{p}
		req.Topics = append(req.Topics, t)
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.TopicID, gt.Partitions = topic, topicID(topic), []int32{p}
		g.Topics = append(g.Topics, gt)
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	return req
}

// testTopics knows topics by name; an id is the name and its version.
type testTopics struct {
	topics  map[string]testTopic
	version uint64
}

type testTopic struct {
	id         [16]byte
	partitions int32
}

// parseTopics reads "topics name/partitions=version ...".
func parseTopics(c coordtest.Command) coord.Catalog {
	topicsVersion++
	topics := testTopics{topics: map[string]testTopic{}, version: topicsVersion}
	for _, w := range c.Words {
		name, n, version := c.Partition(w)
		topics.topics[name] = testTopic{topicID(name + version), n}
	}
	return topics
}

// topicsVersion is that of the newest view that any test has made.
var topicsVersion uint64

func topicID(name string) (id [16]byte) {
	copy(id[:], name)
	return id
}

func (t testTopics) Names() iter.Seq[string] { return maps.Keys(t.topics) }
func (t testTopics) Version() uint64         { return t.version }

func (t testTopics) Name(id [16]byte) (string, bool) {
	for name, topic := range t.topics {
		if topic.id == id {
			return name, true
		}
	}
	return "", false
}

func (t testTopics) Topic(name string) ([16]byte, int32, bool) {
	topic, ok := t.topics[name]
	return topic.id, topic.partitions, ok
}

func optional(c coordtest.Command, name string) *string {
	if !c.Has(name) {
		return nil
	}
	return new(c.String(name, ""))
}

func list(c coordtest.Command, name string) []string {
	if v := c.String(name, ""); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

func number(c coordtest.Command, s string) int64 {
	var n int64
	if _, err := fmt.Sscan(s, &n); err != nil {
		c.Fail("want topic/partition=offset")
	}
	return n
}

func (m *machine) id(c coordtest.Command) string { return m.realID(c.String("member", "")) }

func (m *machine) realID(name string) string {
	if id, ok := m.ids[name]; ok {
		return id
	}
	return name
}

var generated = regexp.MustCompile(`^(?:(.*)-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// name shows a member id: the client's name and a number instead of the random part.
func (m *machine) name(id string) string {
	if name, ok := m.names[id]; ok {
		return name
	}
	parts := generated.FindStringSubmatch(id)
	if parts == nil {
		return id
	}
	for i := 1; ; i++ {
		name := fmt.Sprintf("%s-%d", parts[1], i)
		if _, taken := m.ids[name]; !taken {
			m.names[id], m.ids[name] = name, id
			return name
		}
	}
}

func errorName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.ErrorForCode(code).(*kerr.Error).Message
}

var _ core.Core = (*Core)(nil)
