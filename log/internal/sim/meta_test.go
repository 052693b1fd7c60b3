package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/sim"
)

const meta100ms = 100 * time.Millisecond

var clusterID = meta.ID{0xc1}

// world is a cluster of three nodes, all voters of the metadata quorum and all
// brokers, with clients that create, delete and fill topics, and what must always
// be true of it.
type world struct {
	s        *sim.Sim
	machines []*machine
	byRaftID map[uint64]*machine

	images  map[uint64]uint64   // index -> fingerprint of the image
	leaders map[leadership]life // who led a partition in an epoch
	records map[recordID]string // what was appended, durable or not
	read    map[position]string // what a reader was shown, or a producer acknowledged
	high    map[partition]int64 // the highest high watermark shown
	cas     map[leadership]int  // successful changes by partition epoch
	blocks  map[int64]bool      // producer id blocks by first id
	removed map[meta.ID]bool    // topics whose deletion was acknowledged
	names   map[string]meta.ID  // topics whose creation was acknowledged
	done    map[string]int      // what clients achieved in the liveness phase
	values  int
}

type leadership struct {
	partition
	epoch int32
}

type life struct {
	node   int32
	number int
}

type recordID struct {
	leadership
	offset int64
}

type position struct {
	partition
	offset int64
}

func newWorld(s *sim.Sim) {
	w := &world{s: s, byRaftID: map[uint64]*machine{}, images: map[uint64]uint64{}, leaders: map[leadership]life{},
		records: map[recordID]string{}, read: map[position]string{}, high: map[partition]int64{}, cas: map[leadership]int{},
		blocks: map[int64]bool{}, removed: map[meta.ID]bool{}, names: map[string]meta.ID{}, done: map[string]int{}}
	var voters []uint64
	for id := int32(1); id <= 3; id++ {
		m := newMachine(w, id)
		w.machines = append(w.machines, m)
		w.byRaftID[m.id.RaftID()] = m
		voters = append(voters, m.id.RaftID())
	}
	for _, m := range w.machines {
		if err := m.raft.Save(meta.FirstWrite(voters...)); err != nil {
			// The power went before anything was there: once more.
			m.raft.Save(meta.FirstWrite(voters...))
		}
	}
	w.client()
	s.Goal("every node is registered and leads what is its own", w.allLead)
	s.Goal("all nodes have the same metadata", w.allEqual)
	s.Goal("requests for topics are decided", func() bool { return w.done["create"] > 0 })
	s.Goal("records are acknowledged", func() bool { return w.done["produce"] > 0 })
}

// client does something random about every 50 ms, through a random node.
func (w *world) client() {
	w.s.After(w.s.Between(0, meta100ms), func() {
		if w.s.Left() < 3*time.Second {
			return
		}
		w.client()
		m := w.machines[w.s.Rand.IntN(3)]
		if !m.node.Up() {
			return
		}
		switch w.s.Rand.IntN(12) {
		case 0:
			w.create(m)
		case 1:
			w.delete(m)
		case 2:
			w.grow(m)
		case 3:
			w.shrinkISR(m)
		case 4:
			w.allocate(m)
		default:
			w.produce(m)
		}
	})
}

// ask sends a request from a node to the controllers of all, one of which leads.
func (w *world) ask(from *machine, body any, answered func(any)) {
	for _, to := range w.machines {
		w.s.Send(from.node, to.node, func() {
			to.controller.Call(func(id uint64) core.Input { return meta.Request{ID: id, Body: body} }, func(response any, err error) {
				if _, refused := response.(*meta.Refusal); err == nil && !refused {
					answered(response)
				}
			})
		})
	}
}

func (w *world) achieved(what string) {
	if w.s.Phase() == sim.Liveness {
		w.done[what]++
	}
}

func (w *world) create(m *machine) {
	name := fmt.Sprintf("t%d", w.s.Rand.IntN(6))
	factor := int16(1)
	if w.s.Chance(0.3) {
		factor = 3
	}
	topic := meta.NewTopic{Name: name, Partitions: 1 + w.s.Rand.Int32N(3), ReplicationFactor: factor}
	w.ask(m, meta.CreateTopics{Topics: []meta.NewTopic{topic}}, func(r any) {
		result := r.([]meta.TopicResult)[0]
		w.achieved("create") // or told that there is one
		if result.Err != nil {
			return
		}
		if old, exists := w.names[name]; exists && old != result.Topic.ID {
			w.checkGone(old)
		}
		w.names[name] = result.Topic.ID
	})
}

// checkGone fails if a topic that another took the name of is still there anywhere
// that knows of the other: its deletion was not acknowledged, but happened.
func (w *world) checkGone(id meta.ID) {
	for _, m := range w.machines {
		if m.node.Up() && m.image.Topic(id) == nil {
			return
		}
	}
	w.s.Fail("a name was given to two topics, one of them is %s", id)
}

func (w *world) delete(m *machine) {
	name := fmt.Sprintf("t%d", w.s.Rand.IntN(6))
	w.ask(m, meta.DeleteTopics{Topics: []meta.TopicRef{{Name: name}}}, func(r any) {
		if result := r.([]meta.TopicResult)[0]; result.Err == nil {
			w.removed[result.Topic.ID] = true
		}
	})
}

func (w *world) grow(m *machine) {
	more := meta.MorePartitions{Name: fmt.Sprintf("t%d", w.s.Rand.IntN(6)), Count: 1 + w.s.Rand.Int32N(6)}
	w.ask(m, meta.CreatePartitions{Topics: []meta.MorePartitions{more}}, func(any) {})
}

// shrinkISR changes the ISR of a replicated partition, as its leader might, from
// what this node believes.
func (w *world) shrinkISR(m *machine) {
	var candidates []*meta.Partition
	for t := range m.image.Topics() {
		for _, p := range t.Partitions {
			if len(p.Replicas) == 3 && p.Leader == m.node.ID {
				candidates = append(candidates, p)
			}
		}
	}
	b := m.image.Broker(m.node.ID)
	if len(candidates) == 0 || b == nil || b.Incarnation != m.incarnation {
		return
	}
	p := candidates[w.s.Rand.IntN(len(candidates))]
	isr := []int32{p.Leader}
	for _, r := range p.Replicas {
		if r.NodeID != p.Leader && w.s.Chance(0.6) {
			isr = append(isr, r.NodeID)
		}
	}
	w.ask(m, meta.AlterPartition{NodeID: m.node.ID, BrokerEpoch: b.Epoch, Topic: p.Topic, Index: p.Index,
		LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.Epoch, ISR: isr}, func(r any) {
		key := leadership{partition{p.Topic, p.Index}, p.Epoch}
		if w.cas[key]++; w.cas[key] > 1 {
			w.s.Fail("two changes of %v were made against partition epoch %d", key.partition, p.Epoch)
		}
	})
}

func (w *world) allocate(m *machine) {
	b := m.image.Broker(m.node.ID)
	if b == nil || b.Incarnation != m.incarnation {
		return
	}
	w.ask(m, meta.AllocateProducerIDs{NodeID: m.node.ID, BrokerEpoch: b.Epoch}, func(r any) {
		ids := r.(meta.ProducerIDs)
		if w.blocks[ids.First] {
			w.s.Fail("the producer ids from %d were given twice", ids.First)
		}
		w.blocks[ids.First] = true
	})
}

func (w *world) produce(m *machine) {
	if len(m.order) == 0 {
		return
	}
	r := m.replicas[m.order[w.s.Rand.IntN(len(m.order))]]
	w.values++
	value := fmt.Sprintf("v%d", w.values)
	acks := replica.AcksAll
	if w.s.Chance(0.3) {
		acks = replica.AcksLeader
	}
	var last int64 = -1
	r.append(value, acks, func(offset int64, err error) {
		if err != nil {
			return
		}
		if offset <= last {
			w.s.Fail("acknowledgements of %v out of order", r.key)
		}
		last = offset
		w.promise(r, offset, value)
		w.achieved("produce")
	})
}

// promise notes that a client was told of a record: it must never be another.
func (w *world) promise(r *leader, offset int64, value string) {
	at := position{r.key, offset}
	if was, told := w.read[at]; told && was != value {
		w.s.Fail("%v has %s at offset %d, a client knows %s", r.key, value, offset, was)
	}
	w.read[at] = value
}

// written notes an append: a leader epoch and an offset never name two records.
func (w *world) written(r *leader, offset int64, value string) {
	id := recordID{leadership{r.key, r.epoch}, offset}
	if was, twice := w.records[id]; twice {
		w.s.Fail("%v offset %d of epoch %d is %s and %s", r.key, offset, r.epoch, was, value)
	}
	w.records[id] = value
}

// led notes that a node begins to lead a partition in an epoch, in one life.
func (w *world) led(key partition, epoch int32, m *machine) {
	now := life{m.node.ID, m.node.Life()}
	if was, taken := w.leaders[leadership{key, epoch}]; taken && was != now {
		w.s.Fail("%v is led in epoch %d by %v and by %v", key, epoch, was, now)
	}
	w.leaders[leadership{key, epoch}] = now
}

// shown is called when readers get to see more: it must be durable, and everything
// that anybody ever saw must be there.
func (w *world) shown(r *leader) {
	high := r.high
	if high < w.high[r.key] {
		w.s.Fail("the high watermark of %v goes back from %d to %d", r.key, w.high[r.key], high)
	}
	durable := r.log.Durable()
	if int64(len(durable)) < high {
		w.s.Fail("the high watermark of %v is %d, durable are %d", r.key, high, len(durable))
		return
	}
	for offset := w.high[r.key]; offset < high; offset++ {
		w.promise(r, offset, string(durable[offset].Data))
	}
	w.high[r.key] = high
	for offset := range high {
		if was, told := w.read[position{r.key, offset}]; told && was != string(durable[offset].Data) {
			w.s.Fail("%v had %s at offset %d and has %s", r.key, was, offset, durable[offset].Data)
		}
	}
}

// applied compares images of equal index, and looks for deleted topics that live.
func (w *world) applied(m *machine) {
	index := m.image.Index()
	if index%8 != 0 { // often enough: an image contains all before it
		return
	}
	print := m.image.Fingerprint()
	if was, known := w.images[index]; known && was != print {
		w.s.Fail("node %d has another image at index %d", m.node.ID, index)
	}
	w.images[index] = print
}

func (w *world) allLead() bool {
	for _, m := range w.machines {
		b := m.image.Broker(m.node.ID)
		if b == nil || b.Incarnation != m.incarnation {
			return false
		}
		for t := range m.image.Topics() {
			for _, p := range t.Partitions {
				if p.Leader != m.node.ID || len(p.Replicas) > 1 {
					continue
				}
				r := m.replicas[partition{t.ID, p.Index}]
				if r == nil || r.epoch != p.LeaderEpoch {
					return false
				}
			}
		}
	}
	return true
}

func (w *world) allEqual() bool {
	for _, m := range w.machines {
		if m.image.Index() != w.machines[0].image.Index() || m.image.Fingerprint() != w.machines[0].image.Fingerprint() {
			return false
		}
		for id := range w.removed {
			if m.image.Topic(id) != nil {
				return false
			}
		}
	}
	return true
}

func TestCluster(t *testing.T) {
	sim.Run(t, 200, sim.Options{}, newWorld)
}

func TestClusterRepeats(t *testing.T) {
	sim.Repeatable(t, 7, sim.Options{}, newWorld)
}
