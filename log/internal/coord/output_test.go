package coord_test

import (
	"encoding/json"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/sim"
)

// output is a partition with just enough of a producer table to take transactions: it
// checks epochs and sequences and knows what is open.
type output struct {
	p         *pipeline
	log       *sim.Log
	node      *sim.Node
	producers map[int64]*outputProducer
	// entering counts the appends that were let in and are not in the log yet: markers
	// of version 1 stay out until they are.
	entering map[int64]int
}

type outputProducer struct {
	epoch    int16
	sequence int32 // of the last record in this epoch, -1 before the first
	open     bool
}

// outputRecord is what is in the log: a value, or a marker.
type outputRecord struct {
	ProducerID int64
	Epoch      int16
	Sequence   int32
	Value      string
	Marker     bool
	Commit     bool
}

func (o *output) start(n *sim.Node) {
	o.node, o.producers, o.entering = n, map[int64]*outputProducer{}, map[int64]int{}
	n.OnCrash(o.log.Crash)
	for _, r := range o.records(o.log.Batches()) {
		o.apply(r)
	}
}

func (o *output) records(batches []sim.Batch) []outputRecord {
	all := make([]outputRecord, len(batches))
	for i, b := range batches {
		if err := json.Unmarshal(b.Data, &all[i]); err != nil {
			o.p.s.Fail("output: %w", err)
		}
	}
	return all
}

func (o *output) apply(r outputRecord) {
	p := o.producers[r.ProducerID]
	if p == nil {
		p = &outputProducer{epoch: r.Epoch, sequence: -1}
		o.producers[r.ProducerID] = p
	}
	if r.Epoch != p.epoch {
		p.epoch, p.sequence = r.Epoch, -1
	}
	p.open = !r.Marker
	if !r.Marker {
		p.sequence = r.Sequence
	}
}

// produce appends a value that the transaction coordinator has let in. It replies
// "ok", or "fenced" or "order" to a producer that is not what it was.
func (o *output) produce(r outputRecord, reply func(any)) {
	if p := o.producers[r.ProducerID]; p != nil {
		next := int32(0)
		if r.Epoch == p.epoch {
			next = p.sequence + 1
		}
		switch {
		case r.Epoch < p.epoch:
			reply("fenced")
			return
		case r.Epoch == p.epoch && r.Sequence == p.sequence:
			o.whenDurable(func() { reply("ok") }) // it came before
			return
		case r.Sequence != next:
			reply("order")
			return
		}
	}
	o.append(r, func() { reply("ok") })
}

// end appends a marker, as package storage and the marker writer do.
func (o *output) end(m coord.Marker, reply func(any)) {
	if m.Version < 2 && o.entering[m.ProducerID] > 0 {
		reply("appends are under way")
		return
	}
	p := o.producers[m.ProducerID]
	switch {
	case p != nil && m.ProducerEpoch < p.epoch,
		p != nil && m.ProducerEpoch == p.epoch && p.open && m.Version >= 2:
		reply(error(coord.ErrMarkerFenced))
		return
	case p != nil && m.ProducerEpoch == p.epoch && !p.open:
		o.whenDurable(func() { reply(nil) })
		return
	}
	o.p.note(m)
	o.append(outputRecord{ProducerID: m.ProducerID, Epoch: m.ProducerEpoch, Marker: true, Commit: m.Commit}, func() { reply(nil) })
}

func (o *output) append(r outputRecord, durable func()) {
	data, err := json.Marshal(r)
	if err != nil {
		o.p.s.Fail("output: %w", err)
	}
	o.apply(r)
	o.log.Append(o.node, data, 1, func(_ int64, err error) {
		if err == nil {
			durable()
		}
	})
}

// whenDurable calls f once everything that is in the log now is durable.
func (o *output) whenDurable(f func()) {
	end := len(o.log.Batches())
	var wait func()
	wait = func() {
		if len(o.log.Durable()) >= end {
			f()
			return
		}
		o.node.After(1e6, wait)
	}
	wait()
}

// read gives the values of committed transactions, and how many are open.
func (o *output) read() (visible []string, open int) {
	pending := map[int64][]string{}
	for _, r := range o.records(o.log.Durable()) {
		switch {
		case !r.Marker:
			pending[r.ProducerID] = append(pending[r.ProducerID], r.Value)
			continue
		case r.Commit:
			visible = append(visible, pending[r.ProducerID]...)
		}
		delete(pending, r.ProducerID)
	}
	return visible, len(pending)
}
