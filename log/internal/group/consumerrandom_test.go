package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

// TestRandomConsumers runs groups of members of both protocols that come, go, stop
// without a word, change what they read and lose answers, over a coordinator that
// crashes and whose appends fail, while topics grow, go and are made anew. At no
// moment two members that are alive have the same partition; once nothing happens any
// more, every partition is with somebody who reads it; and a log that compaction has
// been at replays to the same groups as the whole one, which are those of the coordinator
// that wrote it.
func TestRandomConsumers(t *testing.T) {
	first, last := uint64(1), uint64(40)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		w := newCrowd(seed)
		for range 900 {
			w.disturb()
			w.step(200 * time.Millisecond)
		}
		w.settle()
		if w.failure == "" {
			w.checkReplay()
		}
		if w.failure == "" {
			w.checkCompaction()
		}
		if w.failure != "" {
			t.Fatalf("seed %d: %s\nagain with -group.seed %d", seed, w.failure, seed)
		}
	}
}

// crowd is the world of the random test.
type crowd struct {
	rng     *rand.Rand
	bench   *coordtest.Bench
	core    *Core // that bench runs
	life    uint64
	n       uint64
	names   int
	members []*clientSim
	waiting map[uint64]*clientSim
	topics  testTopics
	made    int  // topics, ever
	calm    bool // nothing is lost any more
	failure string
}

// clientSim is a client as the coordinator sees it.
type clientSim struct {
	name, id string
	instance *string
	classic  bool
	topics   []string
	regex    string

	epoch    int32 // or generation
	joined   bool
	full     bool // send everything next
	busy     bool
	leaving  bool
	owned    map[topicPartition]bool
	giving   map[topicPartition]bool // part of owned that it gives up
	givenAt  time.Duration
	at       time.Duration
	toSync   *kmsg.JoinGroupResponse
	mustJoin bool
}

func newCrowd(seed uint64) *crowd {
	w := &crowd{rng: rand.New(rand.NewPCG(seed, 11)), waiting: map[uint64]*clientSim{}, topics: testTopics{topics: map[string]testTopic{}, version: 1}}
	w.bench = &coordtest.Bench{OnReply: w.reply, New: func() coord.Replayable {
		w.life++
		w.core = NewCore(Config{InitialDelay: -1}, start, rand.New(rand.NewPCG(seed, w.life)))
		return w.core
	}}
	w.bench.Start()
	for range 3 {
		w.changeTopics()
	}
	return w
}

func (w *crowd) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf("at %v: ", w.bench.Now) + fmt.Sprintf(format, args...)
	}
}

// disturb does something that groups have to live with.
func (w *crowd) disturb() {
	switch k := w.rng.IntN(160); {
	case k < 6 && len(w.members) < 6:
		w.join()
	case k < 8:
		w.changeTopics()
	case k < 10 && len(w.members) > 0: // a process dies
		w.drop(w.members[w.rng.IntN(len(w.members))])
	case k < 13 && len(w.members) > 0:
		w.members[w.rng.IntN(len(w.members))].leaving = true
	case k < 16 && len(w.members) > 0:
		m := w.members[w.rng.IntN(len(w.members))]
		m.topics, m.regex, m.full, m.mustJoin = w.subscription(m.classic), "", true, m.classic
		if !m.classic && w.rng.IntN(3) == 0 {
			m.regex = "t[0-3]"
		}
	case k < 18:
		w.restart(false)
	case k < 20:
		w.restart(true)
	case k < 24:
		w.bench.Hold = !w.bench.Hold
	case k < 40:
		w.bench.Commit(w.rng.IntN(4))
	}
}

func (w *crowd) join() {
	w.names++
	m := &clientSim{name: fmt.Sprintf("m%d", w.names), classic: w.rng.IntN(3) == 0, owned: map[topicPartition]bool{}, giving: map[topicPartition]bool{}}
	if !m.classic {
		m.id = m.name
	}
	m.topics = w.subscription(m.classic)
	if w.rng.IntN(4) == 0 {
		instance := "i" + m.name
		m.instance = &instance
	}
	w.members = append(w.members, m)
}

func (w *crowd) subscription(classic bool) []string {
	all := slices.Sorted(maps.Keys(w.topics.topics))
	var topics []string
	for _, name := range all {
		if classic || w.rng.IntN(3) > 0 { // whoever leads a classic group knows what all read
			topics = append(topics, name)
		}
	}
	return append(topics, "t0")
}

func (w *crowd) changeTopics() {
	next := testTopics{topics: maps.Clone(w.topics.topics), version: w.topics.version + 1}
	name := fmt.Sprintf("t%d", w.rng.IntN(4))
	old, ok := next.topics[name]
	switch {
	case !ok:
		w.made++
		next.topics[name] = testTopic{topicID(fmt.Sprintf("%s-%d", name, w.made)), int32(1 + w.rng.IntN(4))}
	case w.rng.IntN(3) == 0:
		delete(next.topics, name)
	default:
		old.partitions++
		next.topics[name] = old
	}
	w.topics = next
	for _, m := range w.members { // who leads a classic group watches topics itself
		m.mustJoin = m.mustJoin || m.classic && m.joined
	}
}

func (w *crowd) drop(m *clientSim) {
	w.members = slices.DeleteFunc(w.members, func(x *clientSim) bool { return x == m })
}

// restart ends the core, by a crash or a failed append. Answers that were on their
// way are lost.
func (w *crowd) restart(fail bool) {
	if fail && w.bench.Held() > 0 {
		w.bench.Fail(w.rng.IntN(w.bench.Held() + 1))
	}
	for _, m := range w.waiting {
		m.lose()
	}
	clear(w.waiting)
	w.bench.Start()
}

// lose is what a client does when an answer does not come: it sends everything again.
func (m *clientSim) lose() {
	m.busy, m.full, m.toSync = false, true, nil
	if m.classic && m.joined {
		m.mustJoin = true
	}
}

func (w *crowd) step(d time.Duration) {
	w.bench.Advance(d)
	for _, m := range slices.Clone(w.members) {
		if !m.busy && m.at <= w.bench.Now && w.failure == "" {
			w.act(m)
		}
	}
	w.checkOwners()
}

func (w *crowd) send(m *clientSim, req kmsg.Request) {
	w.n++
	w.waiting[w.n], m.busy = m, true
	w.bench.Input(coord.Request{ID: w.n, Body: req, Topics: w.topics, Meta: coord.Meta{ClientID: m.name}})
}

func (w *crowd) act(m *clientSim) {
	m.at = w.bench.Now + time.Second
	if len(m.giving) > 0 && w.bench.Now >= m.givenAt {
		for tp := range m.giving {
			delete(m.owned, tp)
		}
		clear(m.giving)
		m.full = true
	}
	switch {
	case m.leaving:
		w.leave(m)
	case m.classic:
		w.actClassic(m)
	default:
		w.beat(m)
	}
}

// leave is the last that is heard of a member; whether it arrives is not known.
func (w *crowd) leave(m *clientSim) {
	w.drop(m)
	if m.classic {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 3, "g"
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.id, InstanceID: m.instance}}
		w.send(m, req)
		return
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = 1, "g", m.id, leavingEpoch, m.instance
	w.send(m, req)
}

func (w *crowd) beat(m *clientSim) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = 1, "g", m.id, m.epoch, m.instance
	if m.full || !m.joined {
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.SubscribedTopicRegex = 60_000, m.topics, &m.regex
	}
	if !m.joined {
		req.MemberEpoch = joiningEpoch
	}
	if (m.full || !m.joined) && len(m.giving) == 0 {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		for tp := range m.owned {
			req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: tp.topic, Partitions: []int32{tp.index}})
		}
		m.full = false
	}
	w.send(m, req)
}

// actClassic is a member of the classic, eager protocol: it gives up everything before
// it joins.
func (w *crowd) actClassic(m *clientSim) {
	switch {
	case m.toSync != nil:
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 5, "g", m.id, m.instance, m.epoch
		req.GroupAssignment = w.lead(m.toSync)
		w.send(m, req)
	case !m.joined || m.mustJoin:
		clear(m.owned)
		m.mustJoin = false
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = 9, "g", m.id, m.instance, consumerProtocol
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 30_000
		meta := kmsg.NewConsumerMemberMetadata()
		meta.Version, meta.Topics = 1, m.topics
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: meta.AppendTo(nil)}}
		w.send(m, req)
	default:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 4, "g", m.id, m.instance, m.epoch
		w.send(m, req)
	}
}

// lead is the assignment of a leader: partitions go round.
func (w *crowd) lead(join *kmsg.JoinGroupResponse) []kmsg.SyncGroupRequestGroupAssignment {
	var out []kmsg.SyncGroupRequestGroupAssignment
	assigned := make([]kmsg.ConsumerMemberAssignment, len(join.Members))
	subs := make([]kmsg.ConsumerMemberMetadata, len(join.Members))
	for i, m := range join.Members {
		_ = subs[i].ReadFrom(m.ProtocolMetadata)
	}
	next := 0
	for _, name := range slices.Sorted(maps.Keys(w.topics.topics)) {
		for p := range w.topics.topics[name].partitions {
			for try := range len(join.Members) {
				if i := (next + try) % len(join.Members); slices.Contains(subs[i].Topics, name) {
					assigned[i].Topics = append(assigned[i].Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: name, Partitions: []int32{p}})
					next = i + 1
					break
				}
			}
		}
	}
	for i, m := range join.Members {
		out = append(out, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: assigned[i].AppendTo(nil)})
	}
	return out
}

func (w *crowd) reply(id uint64, resp any, err error) {
	m := w.waiting[id]
	delete(w.waiting, id)
	if m == nil {
		return
	}
	m.busy = false
	if err != nil || !w.calm && w.rng.IntN(30) == 0 {
		m.lose()
		return
	}
	switch resp := resp.(type) {
	case *kmsg.ConsumerGroupHeartbeatResponse:
		w.replyBeat(m, resp)
	case *kmsg.JoinGroupResponse:
		switch {
		case resp.ErrorCode == kerr.MemberIDRequired.Code:
			m.id = resp.MemberID
		case resp.ErrorCode == 0:
			m.id, m.epoch, m.joined, m.toSync = resp.MemberID, resp.Generation, true, resp
		default:
			m.forget(resp.ErrorCode)
		}
	case *kmsg.SyncGroupResponse:
		m.toSync = nil
		if resp.ErrorCode != 0 {
			m.mustJoin = true
			m.forget(resp.ErrorCode)
			return
		}
		assigned, _, _ := parseAssignment(resp.MemberAssignment, w.topics)
		w.assign(m, assigned)
	case *kmsg.HeartbeatResponse:
		if resp.ErrorCode != 0 {
			m.mustJoin = true
			m.forget(resp.ErrorCode)
		}
	}
}

func (w *crowd) replyBeat(m *clientSim, resp *kmsg.ConsumerGroupHeartbeatResponse) {
	if resp.ErrorCode != 0 {
		m.forget(resp.ErrorCode)
		return
	}
	m.epoch, m.joined = resp.MemberEpoch, true
	if resp.Assignment == nil {
		return
	}
	p := partitions{}
	for _, t := range resp.Assignment.Topics {
		for _, i := range t.Partitions {
			p[topicPartition{t.TopicID, i}] = 0
		}
	}
	w.assign(m, p)
}

// forget is what a client does about an error: most mean that it has nothing any more.
func (m *clientSim) forget(code int16) {
	switch code {
	case kerr.RebalanceInProgress.Code:
		return
	case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code, kerr.GroupIDNotFound.Code:
		if m.classic {
			m.id = ""
		}
	}
	m.joined, m.epoch, m.toSync = false, 0, nil
	clear(m.owned)
	clear(m.giving)
}

// assign takes what the member was given: it begins to give up what is not in it, and
// has what is new at once.
func (w *crowd) assign(m *clientSim, p partitions) {
	for tp := range m.owned {
		if !p.has(tp) && !m.giving[tp] {
			m.giving[tp] = true
			m.givenAt = w.bench.Now + time.Duration(w.rng.IntN(3000))*time.Millisecond
		}
	}
	for tp := range p {
		m.owned[tp] = true
		delete(m.giving, tp)
	}
	if m.classic {
		for tp := range m.giving {
			delete(m.owned, tp)
		}
		clear(m.giving)
	}
}

// checkOwners: nobody shares a partition.
func (w *crowd) checkOwners() {
	owner := map[topicPartition]*clientSim{}
	for _, m := range w.members {
		for tp := range m.owned {
			if other := owner[tp]; other != nil {
				w.fail("%s and %s both have partition %d of %s", other.name, m.name, tp.index, tp.topic)
			}
			owner[tp] = m
		}
	}
}

// settle lets nothing more happen, then lets a topic change alone, and checks that
// everything is read.
func (w *crowd) settle() {
	w.bench.Hold, w.calm = false, true
	w.bench.Commit(-1)
	for range 2 {
		for range 600 {
			w.step(200 * time.Millisecond)
		}
		w.checkRead()
		w.changeTopics()
	}
	for range 150 {
		w.step(200 * time.Millisecond)
	}
	w.checkRead()
}

func (w *crowd) checkRead() {
	has := map[topicPartition]bool{}
	for _, m := range w.members {
		for tp := range m.owned {
			has[tp] = true
		}
	}
	for name, topic := range w.topics.topics {
		reader := slices.ContainsFunc(w.members, func(m *clientSim) bool {
			return slices.Contains(m.topics, name) || m.regex != "" && name < "t4"
		})
		for p := range topic.partitions {
			if reader && !has[topicPartition{topic.id, p}] {
				w.fail("nobody has partition %d of %s (%x), which is read", p, name, topic.id)
			}
		}
	}
}

// checkReplay: who loads the log now knows what the coordinator knows that wrote it.
func (w *crowd) checkReplay() {
	if live, loaded := w.core.dump(), dumpLog(w.bench.Records()); live != loaded {
		w.fail("the coordinator knows\n%s\nand its log says\n%s", live, loaded)
	}
}

func (w *crowd) checkCompaction() {
	records := w.bench.Records()
	whole := dumpLog(records)
	for range 5 {
		if compacted := dumpLog(compact(w.rng, records)); compacted != whole {
			w.fail("the whole log gives\n%s\na compacted one\n%s", whole, compacted)
			return
		}
	}
}
