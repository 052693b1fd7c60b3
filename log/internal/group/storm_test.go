package group

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

// TestRebalanceStorm starts 200 members within a second, each of which stops for half a
// second now and then, as with a slow garbage collector. Groups have been seen to chase
// their own rebalances for ever: each one makes somebody late for the next. Here all
// must be in one generation after a minute, and the group must not have needed many.
func TestRebalanceStorm(t *testing.T) {
	const size, limit = 200, 5
	s := &storm{rng: rand.New(rand.NewPCG(1, 1)), waiting: map[uint64]*stormMember{}}
	s.bench = &coordtest.Bench{OnReply: s.reply, New: func() coord.Replayable {
		return NewCore(Config{}, start, rand.New(rand.NewPCG(1, 2)))
	}}
	s.bench.Start()
	for i := range size {
		m := &stormMember{name: fmt.Sprintf("m%d", i), at: time.Duration(s.rng.Int64N(int64(time.Second)))}
		s.members = append(s.members, m)
	}
	for s.bench.Now < time.Minute {
		s.bench.Advance(10 * time.Millisecond)
		for _, m := range s.members {
			if m.at <= s.bench.Now && !m.busy {
				s.act(m)
			}
		}
	}
	for _, m := range s.members {
		if !m.stable || m.generation != s.highest {
			t.Errorf("%s is in generation %d, stable: %t; the group is in %d", m.name, m.generation, m.stable, s.highest)
		}
	}
	if s.highest > limit {
		t.Errorf("%d generations for one start", s.highest)
	}
}

type storm struct {
	rng     *rand.Rand
	bench   *coordtest.Bench
	members []*stormMember
	waiting map[uint64]*stormMember
	n       uint64
	highest int32
}

type stormMember struct {
	name, id   string
	generation int32
	stable     bool          // has its assignment
	busy       bool          // waits for an answer
	at         time.Duration // when it acts next
	join       *kmsg.JoinGroupResponse
}

// act sends what the member has to send next.
func (s *storm) act(m *stormMember) {
	s.n++
	s.waiting[s.n], m.busy = m, true
	var req kmsg.Request
	switch {
	case m.join != nil:
		r := kmsg.NewPtrSyncGroupRequest()
		r.Version, r.Group, r.MemberID, r.Generation = 5, "g", m.id, m.generation
		for _, jm := range m.join.Members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = jm.MemberID, []byte("a")
			r.GroupAssignment = append(r.GroupAssignment, a)
		}
		m.join, req = nil, r
	case m.stable:
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.MemberID, r.Generation = 4, "g", m.id, m.generation
		req = r
	default:
		r := kmsg.NewPtrJoinGroupRequest()
		r.Version, r.Group, r.MemberID, r.ProtocolType = 9, "g", m.id, "consumer"
		r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 10_000, 30_000
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
		req = r
	}
	s.bench.Input(coord.Request{ID: s.n, Body: req, Meta: coord.Meta{ClientID: m.name}})
}

// reply takes an answer and says when the member goes on.
func (s *storm) reply(id uint64, resp any, _ error) {
	m := s.waiting[id]
	m.busy = false
	m.at = s.bench.Now + time.Duration(s.rng.Int64N(int64(20*time.Millisecond)))
	if s.rng.IntN(10) == 0 {
		m.at += 500 * time.Millisecond
	}
	switch resp := resp.(type) {
	case *kmsg.JoinGroupResponse:
		switch {
		case resp.ErrorCode == kerr.MemberIDRequired.Code:
			m.id = resp.MemberID
		case resp.ErrorCode == 0:
			m.id, m.generation, m.join = resp.MemberID, resp.Generation, resp
			s.highest = max(s.highest, m.generation)
		default:
			m.id = ""
		}
	case *kmsg.SyncGroupResponse:
		m.stable = resp.ErrorCode == 0
	case *kmsg.HeartbeatResponse:
		m.at += 3 * time.Second
		if resp.ErrorCode != 0 {
			m.stable, m.at = false, s.bench.Now
		}
		if resp.ErrorCode == kerr.UnknownMemberID.Code {
			m.id = ""
		}
	}
}
