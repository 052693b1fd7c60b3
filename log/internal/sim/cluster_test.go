package sim_test

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"

	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/sim"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// errDisk ends a simulated node's life in the middle of a write.
var errDisk = errors.New("the power went during a write")

// disk is a member's raft log: what was saved without sync may be lost, which raft
// does with nothing but the commit index.
type disk struct {
	*raft.MemoryStorage
	s      *sim.Sim
	synced *raftpb.HardState
}

func (d *disk) Save(w meta.Write) error {
	cut := d.s.Phase() == sim.Safety && d.s.Chance(0.001)
	if cut && d.s.Chance(0.5) {
		return errDisk
	}
	if err := w.ApplyTo(d.MemoryStorage); err != nil {
		return err
	}
	if w.Sync {
		d.synced, _, _ = d.InitialState()
	}
	if cut {
		return errDisk
	}
	return nil
}

func (d *disk) crash() {
	if d.s.Chance(0.5) {
		d.SetHardState(d.synced)
	}
}

// partition names a partition's log on a node's disk.
type partition struct {
	topic meta.ID
	index int32
}

// machine is a node with a member of the quorum, a controller and the partitions
// that it leads.
type machine struct {
	w    *world
	node *sim.Node
	// On disk.
	id        meta.ID
	raft      *disk
	logs      map[partition]*sim.Log
	lastEpoch int64 // of the last life's registration, if it ended in order

	// Of one life.
	incarnation meta.ID
	member      *meta.Member
	controller  *sim.Proc
	waiting     map[core.Token]func(core.Done)
	image       *meta.Image
	replicas    map[partition]*leader
	order       []partition // keys of replicas, for random choice
}

func newMachine(w *world, id int32) *machine {
	m := &machine{w: w, id: meta.NewID(w.s.Rand), logs: map[partition]*sim.Log{}, lastEpoch: -1,
		raft: &disk{MemoryStorage: raft.NewMemoryStorage(), s: w.s}}
	m.node = w.s.Node(id, m.start)
	return m
}

func (m *machine) start(n *sim.Node) {
	s := m.w.s
	m.incarnation = meta.NewID(s.Rand)
	m.waiting = map[core.Token]func(core.Done){}
	m.replicas, m.order = map[partition]*leader{}, nil
	var err error
	m.member, err = meta.NewMember(meta.MemberOptions{RaftID: m.id.RaftID(), Store: m.raft, SnapshotEvery: 25,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		s.Fail("node %d starts: %w", n.ID, err)
		return
	}
	m.image = m.member.Image()
	source := rand.New(rand.NewPCG(s.Rand.Uint64(), uint64(n.Life())))
	m.controller = n.Run(meta.NewController(meta.ControllerOptions{ClusterID: clusterID, Source: source}), m)
	n.OnCrash(m.crash)
	n.Every(meta100ms, func() { m.member.Tick(); m.advance() })
	n.Every(5*meta100ms, m.register)
}

func (m *machine) crash() {
	m.raft.crash()
	for _, key := range m.order {
		m.logs[key].Crash()
	}
}

// advance carries out what the member wants.
func (m *machine) advance() {
	effects, err := m.member.Advance()
	if errors.Is(err, errDisk) {
		m.node.Crash()
		m.w.s.After(m.w.s.Between(0, 30*meta100ms), m.node.Restart)
		return
	}
	if err != nil {
		m.w.s.Fail("node %d: %w", m.node.ID, err)
		return
	}
	for _, msg := range effects.Messages {
		to := m.w.byRaftID[msg.GetTo()]
		m.w.s.Send(m.node, to.node, func() { to.member.Deliver(msg); to.advance() })
	}
	if effects.Image != nil {
		m.image = effects.Image
		m.w.applied(m)
		m.reconcile()
	}
	for _, d := range effects.Done {
		m.waiting[d.Token](d)
		delete(m.waiting, d.Token)
	}
	if effects.Resign {
		m.controller.Input(meta.Resign{})
	}
	if effects.Lead != nil {
		m.w.s.Logf("node %d leads the quorum from index %d", m.node.ID, effects.Lead.Image.Index())
		m.controller.Input(*effects.Lead)
	}
}

// register asks any node to register this one, until the image says it is.
func (m *machine) register() {
	if b := m.image.Broker(m.node.ID); b != nil && b.Incarnation == m.incarnation {
		return
	}
	policy := "always"
	if m.node.ID == 3 {
		policy = "os"
	}
	known := int64(0)
	if b := m.image.Broker(m.node.ID); b != nil {
		known = b.Epoch
	}
	m.w.ask(m, meta.RegisterBroker{KnownEpoch: known, Broker: meta.Broker{NodeID: m.node.ID, Directory: m.id, Incarnation: m.incarnation,
		PreviousEpoch: m.lastEpoch, Features: meta.SupportedFeatures(), SyncPolicy: policy}}, func(any) {})
}

// reconcile opens and closes partitions as the image says.
func (m *machine) reconcile() {
	b := m.image.Broker(m.node.ID)
	if b == nil || b.Incarnation != m.incarnation {
		return // in this life it leads nothing yet
	}
	kept := m.order[:0]
	for _, key := range m.order {
		if m.image.Topic(key.topic) == nil {
			m.replicas[key].close()
			delete(m.replicas, key)
			delete(m.logs, key)
			continue
		}
		kept = append(kept, key)
	}
	m.order = kept
	for t := range m.image.Topics() {
		for _, p := range t.Partitions {
			if p.Leader == m.node.ID && len(p.Replicas) == 1 {
				m.open(partition{t.ID, p.Index}, p)
			}
		}
	}
}

func (m *machine) open(key partition, p *meta.Partition) {
	if r := m.replicas[key]; r != nil {
		if r.epoch != p.LeaderEpoch {
			m.w.s.Fail("partition %v of node %d changes its leader epoch within a life", key, m.node.ID)
		}
		return
	}
	log := m.logs[key]
	if log == nil {
		log = m.w.s.NewLog()
		m.logs[key] = log
	}
	r := &leader{m: m, key: key, epoch: p.LeaderEpoch, log: log, core: replica.NewCore(m.node.ID)}
	m.replicas[key] = r
	m.order = append(m.order, key)
	m.w.led(key, p.LeaderEpoch, m)
	r.step(replica.Lead{LeaderEpoch: p.LeaderEpoch, ISR: p.ISR, MinInSync: 1, End: log.End(), Durable: log.End()})
}

// Append is part of core.Host; the controller has no log.
func (m *machine) Append(core.Append, func(core.Done)) { panic("the controller appends nothing") }

// Propose puts the controller's records into raft.
func (m *machine) Propose(p core.Propose, done func(core.Done)) {
	if err := m.member.Propose(p); err != nil {
		done(core.Done{Token: p.Token, Err: err})
		return
	}
	m.waiting[p.Token] = done
	m.node.After(0, m.advance)
}

// Send, Do and Reset are part of core.Host; the controller needs none of them.
func (m *machine) Send(core.Send, func(core.Input)) { panic("the controller sends nothing") }

// Do is not used.
func (m *machine) Do(any) { panic("the controller has no duties of its own") }

// Reset is not used.
func (m *machine) Reset(error) { panic("the controller appends nothing") }

// leader is a partition on the node that leads it: the replica core over a log.
type leader struct {
	m     *machine
	key   partition
	epoch int32
	log   *sim.Log
	core  *replica.Core
	out   core.Duties
	acks  map[uint64]func(error)
	next  uint64
	high  int64
}

// append adds a record and calls acked when it is acknowledged.
func (r *leader) append(value string, acks replica.Acks, acked func(offset int64, err error)) {
	offset := r.log.End()
	r.m.w.written(r, offset, value)
	r.next++
	if r.acks == nil {
		r.acks = map[uint64]func(error){}
	}
	r.acks[r.next] = func(err error) { acked(offset, err) }
	r.log.Append(r.m.node, []byte(value), 1, func(base int64, err error) {
		r.step(replica.Durable{Node: r.m.node.ID, End: base + 1})
	})
	r.step(replica.Appended{ID: r.next, Acks: acks, End: r.log.End()})
}

func (r *leader) step(in core.Input) {
	r.out.Reset()
	r.core.Step(r.m.w.s.Now(), in, &r.out)
	for _, d := range r.out.List {
		switch do := d.Do.(type) {
		case core.Install:
			r.high = int64(do.State.(replica.HighWatermark))
			r.m.w.shown(r)
		case core.Reply:
			err, _ := do.Response.(error)
			r.acks[do.ID](err)
			delete(r.acks, do.ID)
		}
	}
}

func (r *leader) close() { r.step(replica.Resign{Err: errDisk}) }
