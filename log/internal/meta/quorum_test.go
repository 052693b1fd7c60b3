package meta

import (
	"testing"

	"github.com/millrace/millrace/log/internal/core"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// memoryLog is a LogStore that forgets everything.
type memoryLog struct{ *raft.MemoryStorage }

func (l memoryLog) Save(w Write) error { return w.ApplyTo(l.MemoryStorage) }

// quorum is three members that reach each other as reach allows.
type quorum struct {
	t       *testing.T
	members map[uint64]*Member
	reach   func(*raftpb.Message) bool
	lead    *Lead
	done    int
}

func newQuorum(t *testing.T) *quorum {
	q := &quorum{t: t, members: map[uint64]*Member{}, reach: func(*raftpb.Message) bool { return true }}
	for id := uint64(1); id <= 3; id++ {
		log := memoryLog{raft.NewMemoryStorage()}
		if err := log.Save(FirstWrite(1, 2, 3)); err != nil {
			t.Fatal(err)
		}
		m, err := NewMember(MemberOptions{RaftID: id, Store: log, SnapshotEvery: 20, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		q.members[id] = m
	}
	return q
}

// settle delivers messages until there are none.
func (q *quorum) settle() {
	for moved := true; moved; {
		moved = false
		for id := uint64(1); id <= 3; id++ {
			effects := mustAdvance(q.t, q.members[id])
			if effects.Lead != nil {
				q.lead = effects.Lead
			}
			q.done += len(effects.Done)
			for _, msg := range effects.Messages {
				moved = true
				if q.reach(msg) {
					q.members[msg.GetTo()].Deliver(msg)
				}
			}
		}
	}
}

func (q *quorum) tick() {
	for id := uint64(1); id <= 3; id++ {
		q.members[id].Tick()
	}
	q.settle()
}

// TestLostSnapshotIsSentAgain: a member that was away needs a snapshot, and that is
// lost on the way. Raft sends nothing more until it is told so, and nobody was there
// to tell: the member never came back, although the network had long healed.
func TestLostSnapshotIsSentAgain(t *testing.T) {
	q := newQuorum(t)
	q.reach = func(m *raftpb.Message) bool { return m.GetTo() != 3 && m.GetFrom() != 3 }
	if err := q.members[1].Campaign(); err != nil {
		t.Fatal(err)
	}
	q.settle()
	for i := range 100 {
		token := core.Token(uint64(q.lead.Generation)<<32 | uint64(i+1))
		if err := q.members[1].Propose(core.Propose{Token: token, Records: featureRecord(i)}); err != nil {
			t.Fatal(err)
		}
		q.settle()
	}
	if q.done != 100 {
		t.Fatalf("%d proposals committed by two of three", q.done)
	}
	lost := 0
	q.reach = func(m *raftpb.Message) bool {
		if m.GetType() == raftpb.MsgSnap && lost == 0 {
			lost++
			return false
		}
		return true
	}
	for range 10 * ElectionTicks {
		q.tick()
	}
	if lost != 1 {
		t.Fatal("no snapshot was sent")
	}
	if got, want := q.members[3].Image(), q.members[1].Image(); got.Fingerprint() != want.Fingerprint() {
		t.Errorf("the member that was away is at index %d, the leader at %d", got.Index(), want.Index())
	}
}
