package replica

// Watch is a callback that waits for a partition to show more. Its zero value is ready
// to be started; it must not be moved then.
type Watch struct {
	p      *Partition
	list   *watchList
	offset int64
	waker  Waker
	// Guarded by p.mu. linked tells a Watch in its list from one that was taken out.
	prev, next *Watch
	linked     bool
}

// Waker is told what a Watch waits for. Wake is called without a lock, one call of a
// partition at a time, and must not block.
type Waker interface{ Wake() }

type wakeFunc func()

func (f wakeFunc) Wake() { f() }

// Start calls waker once, when the end that iso may see is above offset, or the
// partition is not led any more. That may be at once, before Start returns. A Watch that
// was started before must have called, or have been stopped.
//
// Ten thousand fetches may wait on one partition, and one fetch for a thousand of them:
// to begin and to stop costs the same however many there are, and nothing is allocated;
// an advance costs each that it wakes, once.
func (w *Watch) Start(p *Partition, offset int64, iso Isolation, waker Waker) {
	w.p, w.list, w.offset, w.waker = p, &p.watches[iso], offset, waker
	p.mu.Lock()
	if p.closed != nil || p.visible(iso) > offset {
		p.outbox = append(p.outbox, outcome{waker: waker})
	} else {
		w.list.add(w)
	}
	p.drain()
}

// Watch starts a Watch that calls f.
func (p *Partition) Watch(offset int64, iso Isolation, f func()) *Watch {
	w := &Watch{}
	w.Start(p, offset, iso, wakeFunc(f))
	return w
}

// Stop takes the callback back. It may be called twice, and the callback may still
// run once if it was about to.
func (w *Watch) Stop() {
	if w.p == nil {
		return // it was never started
	}
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.list.remove(w)
}

// watchList is the watches of a partition for one isolation level, in no order:
// nearly all wait at the end, so the next advance wakes nearly all.
type watchList struct{ first *Watch }

func (l *watchList) add(w *Watch) {
	w.next, w.linked = l.first, true
	if l.first != nil {
		l.first.prev = w
	}
	l.first = w
}

func (l *watchList) remove(w *Watch) {
	if !w.linked {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.linked = nil, nil, false
}

// wake takes out those that wait for less than end and puts their calls in the
// outbox.
func (l *watchList) wake(end int64, outbox []outcome) []outcome {
	for w := l.first; w != nil; {
		next := w.next
		if w.offset < end {
			l.remove(w)
			outbox = append(outbox, outcome{waker: w.waker})
		}
		w = next
	}
	return outbox
}
