package meta

import "slices"

// Quorum is the state of the metadata quorum as this member sees it.
type Quorum struct {
	// Leader is the raft id of who leads, 0 if nobody is known to.
	Leader uint64
	// Term rises with every election.
	Term uint64
	// Committed and Last are the indexes of the last entry that is committed and of
	// the last that this member has.
	Committed, Last uint64
	// Voters are the raft ids of the members that have a vote.
	Voters []uint64
}

// Quorum is the state of the metadata quorum after the newest image.
func (m *Meta) Quorum() Quorum { return *m.loop.quorum.Load() }

// showQuorum makes the member's view visible; on the goroutine that owns it. A tick
// that has changed nothing costs a comparison.
func (l *loop) showQuorum() {
	q := l.member.Quorum()
	if old := l.quorum.Load(); old != nil && old.Leader == q.Leader && old.Term == q.Term &&
		old.Committed == q.Committed && old.Last == q.Last && slices.Equal(old.Voters, q.Voters) {
		return
	}
	l.quorum.Store(&q)
}

// Quorum is the member's view of its quorum.
func (m *Member) Quorum() Quorum {
	s := m.raw.BasicStatus()
	q := Quorum{Leader: s.Lead, Term: s.HardState.GetTerm(), Committed: s.HardState.GetCommit(), Voters: m.Voters()}
	// Whoever asks is told of a log that could not be read by everything else.
	q.Last, _ = m.opts.Store.LastIndex()
	return q
}

// NodeOf is the node whose data directory is the member of that raft id; false if
// none has registered with it.
func (im *Image) NodeOf(raftID uint64) (*Broker, bool) {
	for b := range im.Brokers() {
		if b.Directory.RaftID() == raftID {
			return b, true
		}
	}
	return nil, false
}
