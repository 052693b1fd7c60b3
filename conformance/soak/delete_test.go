package soak

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// trimmer deletes records.
func trimmer(partitions []partition) func(*actor) {
	return func(a *actor) {
		cl := a.client()
		defer cl.Close()
		adm := kadm.NewClient(cl)
		for !a.over() {
			a.pause(20 * a.slow)
			p := partitions[a.rng.IntN(len(partitions))]
			start, err1 := adm.ListStartOffsets(a.ctx, p.Topic)
			end, err2 := adm.ListEndOffsets(a.ctx, p.Topic)
			s, _ := start.Lookup(p.Topic, p.Index)
			e, _ := end.Lookup(p.Topic, p.Index)
			if err1 != nil || err2 != nil || s.Err != nil || e.Err != nil {
				continue
			}
			before := s.Offset + int64(a.rng.Float64()*0.6*float64(e.Offset-s.Offset))
			if a.rng.IntN(12) == 0 {
				before = -1 // all that is committed
			}
			a.trim(adm, p, before)
		}
	}
}

func (a *actor) trim(adm *kadm.Client, p partition, before int64) {
	begin := a.h.now()
	var o kadm.Offsets
	o.AddOffset(p.Topic, p.Index, before, -1)
	answers, err := adm.DeleteRecords(a.hurry, o)
	d := &deleted{In: p, Before: before, Start: -1}
	if r, ok := answers.Lookup(p.Topic, p.Index); err == nil && ok && r.Err == nil {
		d.Start = r.LowWatermark
	}
	if before < 0 {
		if d.Before = d.Start; d.Start < 0 {
			d.Before = 1 << 62 // nobody knows
		}
	}
	a.h.add(begin, event{Who: a.name, Delete: d})
}

// churner makes topics, writes to them, reads them and deletes them, under one name.
func churner(name string, partitions int32) func(*actor) {
	return func(a *actor) {
		for n := 1; !a.over(); n++ {
			incarnation := fmt.Sprintf("%s#%d", name, n)
			a.h.addTopic(incarnation, topic{Partitions: partitions})
			a.churn(incarnation, partitions)
			a.pause(2 * a.slow)
		}
	}
}

func (a *actor) churn(incarnation string, partitions int32) {
	cl := a.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	small := "1024"
	if _, err := adm.CreateTopic(a.hurry, partitions, 1, map[string]*string{"segment.bytes": &small}, real(incarnation)); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		a.failed("%s: create %s: %v", a.name, incarnation, err)
		return
	}
	a.lookup(cl, incarnation, true)
	w := a.client(kgo.StopProducerOnDataLossDetected())
	for range a.rng.IntN(5) {
		for range 1 + a.rng.IntN(20) {
			a.send(w, outgoing{in: partition{incarnation, a.rng.Int32N(partitions)}, exact: true})
		}
		a.pause(a.slow)
	}
	a.flush(w)
	a.pause(5 * a.slow)
	for p := range partitions {
		a.scan(a.hurry, cl, scan{in: partition{incarnation, p}, committed: a.rng.IntN(2) == 0, final: true})
	}
	a.lookup(cl, incarnation, true)
	if _, err := adm.DeleteTopic(a.hurry, real(incarnation)); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		a.failed("%s: delete %s: %v", a.name, incarnation, err)
		return
	}
	a.lookup(cl, incarnation, false)
}

// lookup asks whether a topic is there.
func (a *actor) lookup(cl *kgo.Client, incarnation string, should bool) {
	begin := a.h.now()
	_, err := topicID(a.hurry, cl, real(incarnation))
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return
	}
	a.h.add(begin, event{Who: a.name, Lookup: &lookup{Topic: incarnation, Should: should, Found: err == nil}})
}
