package txn

import "sync"

// ongoing is what the cores have installed: the partitions of running transactions.
// Appends ask here first, once per batch, so that only the first of a partition in a
// transaction goes to a core.
type ongoing struct {
	mu         sync.RWMutex
	byProducer map[int64]*running
}

type running struct {
	coordinator     int32 // partition of __transaction_state
	transactionalID string
	epoch           int16
	partitions      map[TopicPartition]struct{}
}

func newOngoing() *ongoing { return &ongoing{byProducer: map[int64]*running{}} }

// has reports whether the append is within a running transaction. False may also mean
// not yet known.
func (o *ongoing) has(w *Write) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	r := o.byProducer[w.ProducerID]
	if r == nil || r.epoch != w.ProducerEpoch || r.transactionalID != w.TransactionalID {
		return false
	}
	_, ok := r.partitions[TopicPartition{w.Topic, w.Partition}]
	return ok
}

func (o *ongoing) began(coordinator int32, b Began) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.byProducer[b.ProducerID]
	if r == nil || r.epoch != b.ProducerEpoch || r.transactionalID != b.TransactionalID {
		r = &running{coordinator: coordinator, transactionalID: b.TransactionalID,
			epoch: b.ProducerEpoch, partitions: map[TopicPartition]struct{}{}}
		o.byProducer[b.ProducerID] = r
	}
	for _, p := range b.Partitions {
		r.partitions[p] = struct{}{}
	}
}

func (o *ongoing) ended(e Ended) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byProducer, e.ProducerID)
}

// reset forgets what a core has installed that is no more.
func (o *ongoing) reset(coordinator int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, r := range o.byProducer {
		if r.coordinator == coordinator {
			delete(o.byProducer, id)
		}
	}
}
