package soak

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// plainWriter appends with acks=all and without idempotence, one request at a time, so
// that what it repeats may be there twice, but in order.
func plainWriter(topic string, partitions int32) func(*actor) {
	return func(a *actor) {
		cl := a.client(kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
		a.bursts(cl, topic, partitions, 10, false)
		a.flush(cl)
	}
}

// exactWriter appends idempotently.
func exactWriter(topic string, partitions int32, burst int, opts ...kgo.ProducerOpt) func(*actor) {
	return func(a *actor) {
		all := []kgo.Opt{kgo.StopProducerOnDataLossDetected()}
		for _, o := range opts {
			all = append(all, o)
		}
		cl := a.client(all...)
		a.bursts(cl, topic, partitions, burst, true)
		a.flush(cl)
	}
}

// bursts sends up to so many records at a time, to any partitions.
func (a *actor) bursts(cl *kgo.Client, topic string, partitions int32, most int, exact bool) {
	for !a.over() {
		for range 1 + a.rng.IntN(most) {
			a.send(cl, outgoing{in: partition{topic, a.rng.Int32N(partitions)}, exact: exact, large: a.rng.IntN(400) == 0})
		}
		if a.rng.IntN(4) == 0 {
			_ = cl.Flush(a.ctx)
		}
		a.pause(a.slow)
	}
}

// keyWriter sets and deletes keys of its own in a compacted topic.
func keyWriter(topic string, partitions int32) func(*actor) {
	return func(a *actor) {
		cl := a.client(kgo.StopProducerOnDataLossDetected())
		for !a.over() {
			for range 1 + a.rng.IntN(15) {
				a.send(cl, a.keyed(topic, partitions))
			}
			a.pause(a.slow)
		}
		a.flush(cl)
	}
}

// keyed is a record for one of the actor's keys. A key lives in one partition.
func (a *actor) keyed(topic string, partitions int32) outgoing {
	k := a.rng.Int32N(20 * partitions)
	return outgoing{in: partition{topic, k % partitions}, key: fmt.Sprintf("%s-%d", a.name, k), tombstone: a.rng.IntN(6) == 0, exact: true}
}
