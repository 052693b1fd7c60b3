package meta

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/log/internal/core"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Timing of the quorum, in ticks. A member that hears nothing for ElectionTicks to
// twice that asks for votes.
const (
	ElectionTicks  = 10
	HeartbeatTicks = 1
)

// ErrNotLeading is the outcome of a proposal whose member lost the lead, or never
// had it: unless it was refused at once, it is not known whether it is committed.
var ErrNotLeading = errors.New("lost the lead of the metadata quorum before the change was committed")

// LogStore keeps a member's raft log. Reads see what was saved, synced or not.
type LogStore interface {
	raft.Storage
	// Save writes all of w at once: after a crash all of it is there or none, and
	// with w.Sync all of it.
	Save(w Write) error
}

// Write is a change of a LogStore. Zero fields change nothing.
type Write struct {
	HardState *raftpb.HardState
	// Entries replace those from the first one's index on.
	Entries []*raftpb.Entry
	// Snapshot replaces the older one. If it is ahead of the log it replaces the log.
	Snapshot *raftpb.Snapshot
	// Compact drops the entries up to this index; 0 drops none.
	Compact uint64
	Sync    bool
}

// MemberOptions configure a Member.
type MemberOptions struct {
	RaftID uint64
	Store  LogStore
	// SnapshotEvery is how many entries, or SnapshotBytes how many bytes of them,
	// are applied between snapshots; 0 is 4096 and 16 MiB. It bounds the memory and
	// the start of a member, both of which read the log since the last snapshot.
	SnapshotEvery uint64
	SnapshotBytes int
	Logger        *slog.Logger
}

// Member is one member of the metadata quorum: raft, its log, and the image that
// the committed entries make. It starts no goroutine and reads no clock; whoever
// owns it calls Tick, Deliver and Propose, then Advance, and carries out what that
// returns. One goroutine at a time uses it.
//
// Raft says that an entry is committed; a Controller needs to know when it may
// decide, and what became of what it proposed. Between the two:
//
//  1. A Lead is given once an entry of the member's own term is applied, so that
//     its image has everything that any leader before could have committed.
//  2. Under one generation only its proposals enter the log, in the order of
//     Propose. So the entries of the term, as they are applied, are the pending
//     proposals in order, and need no name.
//  3. When the lead is lost, or raft drops a proposal, the generation is over: what
//     is pending fails, and what still comes with its tokens is refused. A new
//     generation begins when nothing of the old one can be applied after its Lead.
type Member struct {
	opts  MemberOptions
	raw   *raft.RawNode
	image *Image
	conf  *raftpb.ConfState

	generation uint32
	leading    bool     // in generation: a Lead was given and is not over
	term       uint64   // of generation
	pending    []uint64 // sequence halves of the tokens proposed, oldest first
	dropped    bool     // raft refused a proposal of generation

	snapshotIndex uint64
	snapshotBytes int // of entries applied since

	sending map[uint64]int // ticks since a snapshot went to a member that has not answered
}

// Effects are what Advance wants done, in this order.
type Effects struct {
	// Messages go to other members; they may be lost.
	Messages []*raftpb.Message
	// Image is the newest image, nil if it is as before.
	Image *Image
	// Done are proposals that were settled, after Image is visible. BaseOffset is
	// the index of the entry.
	Done []core.Done
	// Resign, then Lead, are for the Controller.
	Resign bool
	Lead   *Lead
}

// NewMember continues from what the store has.
func NewMember(o MemberOptions) (*Member, error) {
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 4096
	}
	if o.SnapshotBytes == 0 {
		o.SnapshotBytes = 16 << 20
	}
	snapshot, err := o.Store.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("read metadata snapshot: %w", err)
	}
	m := &Member{opts: o, snapshotIndex: snapshot.GetMetadata().GetIndex(), conf: snapshot.GetMetadata().GetConfState(),
		sending: map[uint64]int{}}
	if m.image, err = decodeImage(m.snapshotIndex, snapshot.GetData()); err != nil {
		return nil, err
	}
	m.raw, err = raft.NewRawNode(&raft.Config{
		ID: o.RaftID, ElectionTick: ElectionTicks, HeartbeatTick: HeartbeatTicks,
		Storage: o.Store, Applied: m.snapshotIndex,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 64, MaxUncommittedEntriesSize: 64 << 20,
		CheckQuorum: true, PreVote: true, DisableProposalForwarding: true, StepDownOnRemoval: true,
		Logger: raftLogger{o.Logger},
	})
	if err != nil {
		return nil, fmt.Errorf("start metadata raft: %w", err)
	}
	return m, nil
}

// FirstWrite is what begins the log of a member of a new cluster with these voters.
func FirstWrite(voters ...uint64) Write {
	one := uint64(1)
	return Write{
		HardState: &raftpb.HardState{Term: &one, Vote: new(uint64), Commit: &one},
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &one, Term: &one,
			ConfState: &raftpb.ConfState{Voters: voters}}},
		Sync: true,
	}
}

// Image is what has been applied.
func (m *Member) Image() *Image { return m.image }

// Voters are the members that have a vote.
func (m *Member) Voters() []uint64 { return m.conf.GetVoters() }

// Tick says that one unit of time has passed.
func (m *Member) Tick() {
	m.raw.Tick()
	m.giveUpSnapshots()
}

// snapshotTicks is how long a snapshot may be under way to another member.
const snapshotTicks = 2 * ElectionTicks

// giveUpSnapshots has raft send again to members whose snapshot was lost. Raft sends
// nothing more to a member until it is told what became of its snapshot, and here
// messages may be lost without anybody noticing: for ever, that would be.
func (m *Member) giveUpSnapshots() {
	var late []uint64
	m.raw.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		if p.State != tracker.StateSnapshot {
			delete(m.sending, id)
			return
		}
		if m.sending[id]++; m.sending[id] > snapshotTicks {
			late = append(late, id)
		}
	})
	for _, id := range late {
		delete(m.sending, id)
		m.raw.ReportSnapshot(id, raft.SnapshotFailure)
	}
}

// Campaign asks for votes at once.
func (m *Member) Campaign() error { return m.raw.Campaign() }

// Deliver takes a message of another member. What raft does not want is dropped.
func (m *Member) Deliver(msg *raftpb.Message) {
	// An error says that the message is from nobody we know or comes too late.
	_ = m.raw.Step(msg)
}

// Propose enters the Controller's records into the log, or refuses at once. If it
// does not, Advance says what became of them.
func (m *Member) Propose(p core.Propose) error {
	if !m.leading || m.dropped || generationOf(p.Token) != m.generation {
		return ErrNotLeading
	}
	if s := m.raw.BasicStatus(); s.RaftState != raft.StateLeader || s.HardState.GetTerm() != m.term {
		return ErrNotLeading
	}
	if err := m.raw.Propose(encodeEntry(p.Records)); err != nil {
		m.dropped = true
		return fmt.Errorf("%w: %w", ErrNotLeading, err)
	}
	m.pending = append(m.pending, uint64(p.Token))
	return nil
}

// Advance saves and applies what raft has ready. After an error the member is not
// to be used any more.
func (m *Member) Advance() (Effects, error) {
	var out Effects
	for m.raw.HasReady() {
		rd := m.raw.Ready()
		if err := m.save(rd); err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, rd.Messages...)
		m.checkLead(&out)
		if err := m.applySnapshot(rd.Snapshot, &out); err != nil {
			return out, err
		}
		for _, e := range rd.CommittedEntries {
			if err := m.applyEntry(e, &out); err != nil {
				return out, err
			}
		}
		m.raw.Advance(rd)
	}
	m.checkLead(&out)
	m.lead(&out)
	return out, m.snapshot()
}

func (m *Member) save(rd raft.Ready) error {
	w := Write{Entries: rd.Entries, Sync: rd.MustSync}
	if !raft.IsEmptyHardState(rd.HardState) {
		w.HardState = rd.HardState
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		w.Snapshot, w.Sync = rd.Snapshot, true
	}
	if w.HardState == nil && w.Snapshot == nil && len(w.Entries) == 0 {
		return nil
	}
	if err := m.opts.Store.Save(w); err != nil {
		return fmt.Errorf("write metadata log: %w", err)
	}
	return nil
}

func (m *Member) applySnapshot(s *raftpb.Snapshot, out *Effects) error {
	if raft.IsEmptySnap(s) {
		return nil
	}
	image, err := decodeImage(s.GetMetadata().GetIndex(), s.GetData())
	if err != nil {
		return err
	}
	m.image, out.Image = image, image
	m.conf = s.GetMetadata().GetConfState()
	m.snapshotIndex, m.snapshotBytes = image.Index(), 0
	return nil
}

func (m *Member) applyEntry(e *raftpb.Entry, out *Effects) error {
	records, err := entryRecords(e)
	if err != nil {
		return err
	}
	image, err := m.image.Apply(e.GetIndex(), records)
	if err != nil {
		return fmt.Errorf("metadata log: %w", err)
	}
	m.image, out.Image = image, image
	m.snapshotBytes += len(e.GetData())
	if m.leading && e.GetTerm() == m.term && len(e.GetData()) > 0 {
		out.Done = append(out.Done, core.Done{Token: core.Token(m.pending[0]), BaseOffset: int64(e.GetIndex())})
		m.pending = m.pending[1:]
	}
	return nil
}

// entryRecords are the records of an entry.
func entryRecords(e *raftpb.Entry) ([]Record, error) {
	switch {
	case e.GetType() != raftpb.EntryNormal:
		return nil, fmt.Errorf("%w: entry %d changes the quorum: start a newer millrace", ErrUnknownRecord, e.GetIndex())
	case len(e.GetData()) == 0:
		return nil, nil // raft's own
	}
	records, err := decodeEntry(e.GetData())
	if err != nil {
		return nil, fmt.Errorf("metadata log entry %d: %w", e.GetIndex(), err)
	}
	return records, nil
}

// checkLead ends the generation if the lead is lost.
func (m *Member) checkLead(out *Effects) {
	s := m.raw.BasicStatus()
	if !m.leading || s.RaftState == raft.StateLeader && s.HardState.GetTerm() == m.term {
		return
	}
	m.leading = false
	out.Resign = true
	for _, token := range m.pending {
		out.Done = append(out.Done, core.Done{Token: core.Token(token), Err: ErrNotLeading})
	}
	m.pending = nil
}

// lead begins a generation if the member leads and has applied everything that
// could come before it.
func (m *Member) lead(out *Effects) {
	if m.leading && !(m.dropped && len(m.pending) == 0) {
		return
	}
	s := m.raw.BasicStatus()
	if s.RaftState != raft.StateLeader {
		return
	}
	last, err := m.opts.Store.LastIndex()
	if err != nil || m.image.Index() < last {
		return
	}
	if term, err := m.opts.Store.Term(last); err != nil || term != s.HardState.GetTerm() {
		return
	}
	m.generation++
	m.leading, m.dropped, m.term = true, false, s.HardState.GetTerm()
	out.Lead = &Lead{Generation: m.generation, Image: m.image}
}

// snapshot writes a snapshot if enough was applied, and drops the entries that a
// follower is not likely to need.
func (m *Member) snapshot() error {
	applied := m.image.Index()
	if applied-m.snapshotIndex < m.opts.SnapshotEvery && m.snapshotBytes < m.opts.SnapshotBytes || applied == m.snapshotIndex {
		return nil
	}
	term, err := m.opts.Store.Term(applied)
	if err != nil {
		return fmt.Errorf("snapshot metadata: %w", err)
	}
	w := Write{Snapshot: &raftpb.Snapshot{Data: encodeImage(m.image),
		Metadata: &raftpb.SnapshotMetadata{Index: &applied, Term: &term, ConfState: m.conf}}, Sync: true}
	if keep := m.opts.SnapshotEvery / 8; m.snapshotIndex > keep {
		w.Compact = m.snapshotIndex - keep
	}
	if err := m.opts.Store.Save(w); err != nil {
		return fmt.Errorf("snapshot metadata: %w", err)
	}
	m.snapshotIndex, m.snapshotBytes = applied, 0
	return nil
}
