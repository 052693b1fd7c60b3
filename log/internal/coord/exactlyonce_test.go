package coord_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/sim"
	"github.com/millrace/millrace/log/internal/txn"
	"github.com/millrace/millrace/log/record"
)

// The world of these tests is what both coordinators are for: workers of one group
// read partitions, write what they read to others, and commit their positions, all in
// one transaction. Every input must come out exactly once, whatever crashes.
//
// Input is not stored: record i of an input partition is the number i.
const (
	inputs      = 4  // partitions of the input
	inputLength = 12 // records in each
	outputs     = 3  // partitions of the output
)

func TestExactlyOnce(t *testing.T) {
	sim.Run(t, 200, sim.Options{Safety: 30 * time.Second, Liveness: 90 * time.Second}, newPipeline)
}

func TestExactlyOnceIsRepeatable(t *testing.T) {
	sim.Repeatable(t, 7, sim.Options{Safety: 30 * time.Second, Liveness: 90 * time.Second}, newPipeline)
}

// pipeline is the world: node 1 has the transaction coordinator, node 2 the group
// coordinator and the output, the others are workers.
type pipeline struct {
	s      *sim.Sim
	txns   *service
	groups *service
	out    [outputs]*output

	workers []*worker

	owners    map[owned]string      // by generation and input partition: the member
	decisions map[decidedEpoch]bool // commit or not, of the markers that were written
	committed [inputs]int64         // the highest committed position that was shown
}

type owned struct {
	generation int32
	input      int32
}

type decidedEpoch struct {
	producerID int64
	epoch      int16
}

func newPipeline(s *sim.Sim) {
	p := &pipeline{s: s, owners: map[owned]string{}, decisions: map[decidedEpoch]bool{}}
	p.txns = &service{s: s, log: s.NewLog()}
	p.groups = &service{s: s, log: s.NewLog()}
	for i := range p.out {
		p.out[i] = &output{p: p, log: s.NewLog()}
	}
	for i := range p.committed {
		p.committed[i] = -1
	}
	nextPID := int64(0)
	s.Node(1, func(n *sim.Node) {
		p.txns.start(n, func(epoch int32) coord.Replayable {
			return txn.NewCore(txn.Config{}, epoch, time.UnixMilli(0))
		}, func(m core.Send, answer func(core.Input)) {
			switch m := m.Message.(type) {
			case txn.Markers:
				p.sendMarkers(m, answer)
			case txn.WantProducerIDs:
				nextPID += 5
				first := nextPID
				n.After(s.Between(0, 20*time.Millisecond), func() { answer(txn.ProducerIDs{First: first, N: 5}) })
			}
		})
	})
	s.Node(2, func(n *sim.Node) {
		life := uint64(n.Life())
		p.groups.start(n, func(int32) coord.Replayable {
			return group.NewCore(group.Config{}, time.UnixMilli(0), rand.New(rand.NewPCG(s.Rand.Uint64(), life)))
		}, nil)
		for _, o := range p.out {
			o.start(n)
		}
	})
	for i := range 3 {
		w := &worker{p: p, name: fmt.Sprintf("w%d", i), version: 2}
		if i == 2 {
			w.version = 1
		}
		p.workers = append(p.workers, w)
		s.Node(int32(10+i), w.start)
	}
	p.failAppends()
	s.Goal("every input came out exactly once", func() bool { return p.complete() })
}

// failAppends lets a disk fail what is under way, now and then.
func (p *pipeline) failAppends() {
	p.s.After(p.s.Between(0, 4*time.Second), func() {
		if p.s.Phase() == sim.Safety {
			log := p.txns.log
			if p.s.Chance(0.5) {
				log = p.groups.log
			}
			log.FailAppends()
			p.failAppends()
		}
	})
}

// sendMarkers writes markers on node 2, with a request that may be lost or come twice.
func (p *pipeline) sendMarkers(m txn.Markers, answer func(core.Input)) {
	w := txn.MarkersWritten{TransactionalID: m.TransactionalID, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch}
	waiting := len(m.Partitions)
	if waiting == 0 {
		answer(w)
		return
	}
	for _, tp := range m.Partitions {
		marker := coord.Marker{Topic: tp.Topic, Partition: tp.Partition, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch,
			CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Commit, Version: m.Version}
		p.ask(p.txns.node, p.groups.node, m.Version >= 2, func(reply func(any)) {
			p.writeMarker(marker, reply)
		}, func(got any) {
			if got != nil && got != error(coord.ErrMarkerFenced) {
				w.Missing = append(w.Missing, tp)
			}
			if waiting--; waiting == 0 {
				answer(w)
			}
		})
	}
}

// writeMarker appends a marker on node 2 and replies nil or an error.
func (p *pipeline) writeMarker(m coord.Marker, reply func(any)) {
	if m.Topic != coord.GroupTopic {
		p.out[m.Partition].end(m, reply)
		return
	}
	p.groups.call(func(id uint64) core.Input { return group.WriteMarker{ID: id, Marker: m} }, func(r any, err error) {
		if err == nil {
			err, _ = r.(error)
		}
		if err == nil {
			p.note(m)
		}
		if err != nil {
			reply(err)
			return
		}
		reply(nil)
	})
}

// note checks that all markers of a producer epoch say the same. In version 1 an epoch
// has many transactions.
func (p *pipeline) note(m coord.Marker) {
	if m.Version < 2 {
		return
	}
	k := decidedEpoch{m.ProducerID, m.ProducerEpoch}
	if commit, ok := p.decisions[k]; ok && commit != m.Commit {
		p.s.Fail("producer %d epoch %d is both committed and aborted", m.ProducerID, m.ProducerEpoch)
	}
	p.decisions[k] = m.Commit
}

// lost is what ask gives when nothing came back.
type lost struct{}

// ask sends a request from one node to another and brings the answer, or lost after
// three seconds. Only a request that may come twice (version 2) does.
func (p *pipeline) ask(from, to *sim.Node, twice bool, handle func(reply func(any)), done func(any)) {
	finished, life, served := false, from.Life(), false
	finish := func(v any) {
		if !finished && from.Up() && from.Life() == life {
			finished = true
			done(v)
		}
	}
	from.After(3*time.Second, func() { finish(lost{}) })
	p.s.Send(from, to, func() {
		if served && !twice {
			return
		}
		served = true
		handle(func(v any) { p.s.Send(to, from, func() { finish(v) }) })
	})
}

// complete compares the output with the input.
func (p *pipeline) complete() bool {
	seen := map[string]int{}
	for i, o := range p.out {
		visible, open := o.read()
		if open > 0 {
			p.s.Logf("output %d has %d transactions that nobody ends", i, open)
			return false
		}
		for _, v := range visible {
			seen[v]++
		}
	}
	ok := true
	for in := range int32(inputs) {
		for i := range int64(inputLength) {
			if n := seen[value(in, i)]; n != 1 {
				p.s.Logf("input %d/%d came out %d times", in, i, n)
				ok = false
			}
		}
	}
	return ok
}

func value(input int32, i int64) string { return fmt.Sprintf("%d/%d", input, i) }

// service is a coordinator's core on a node, started again whenever it fails.
type service struct {
	s       *sim.Sim
	log     *sim.Log
	node    *sim.Node
	proc    *sim.Proc // nil while loading
	newCore func(epoch int32) coord.Replayable
	send    func(core.Send, func(core.Input))
	epoch   int32
}

func (v *service) start(n *sim.Node, newCore func(epoch int32) coord.Replayable, send func(core.Send, func(core.Input))) {
	v.node, v.proc, v.newCore, v.send = n, nil, newCore, send
	v.epoch++
	n.OnCrash(func() {
		v.proc = nil
		v.log.Crash()
	})
	v.load()
}

// load waits until what is in the log cannot be lost, and replays it.
func (v *service) load() {
	if len(v.log.Durable()) < len(v.log.Batches()) {
		v.node.After(5*time.Millisecond, v.load)
		return
	}
	c := v.newCore(v.epoch)
	for _, b := range v.log.Batches() {
		data := slices.Clone(b.Data)
		record.SetBaseOffset(data, b.BaseOffset)
		if _, err := coord.Decode(data, b.BaseOffset, c.Replay); err != nil {
			v.s.Fail("replay: %w", err)
		}
	}
	v.proc = v.node.Run(c, v)
}

// call gives the core a request. While it loads, there is no answer.
func (v *service) call(request func(id uint64) core.Input, done func(any, error)) {
	if v.proc != nil {
		v.proc.Call(request, done)
	}
}

// Append implements core.Host.
func (v *service) Append(a core.Append, done func(core.Done)) {
	h, err := record.Check(a.Batch, record.Limits{})
	if err != nil {
		v.s.Fail("core appended: %w", err)
	}
	v.log.Append(v.node, a.Batch, int(h.LastOffsetDelta)+1, func(base int64, err error) {
		done(core.Done{Token: a.Token, Err: err, BaseOffset: base})
	})
}

// Propose implements core.Host.
func (v *service) Propose(core.Propose, func(core.Done)) { v.s.Fail("a coordinator proposes") }

// Send implements core.Host.
func (v *service) Send(m core.Send, answer func(core.Input)) { v.send(m, answer) }

// Do implements core.Host.
func (v *service) Do(any) {}

// Reset implements core.Host.
func (v *service) Reset(err error) {
	v.s.Logf("coordinator on node %d starts again: %v", v.node.ID, err)
	v.proc = nil
	v.node.After(v.s.Between(0, 50*time.Millisecond), v.load)
}
