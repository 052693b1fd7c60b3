package engine

import (
	"context"
	"sync"

	"github.com/millrace/millrace/operators/columnar"
)

// message is what one sender hands to one task, in order: rows, then the
// watermark over them, and at the end of every epoch a barrier.
type message struct {
	kind      messageKind
	input     int          // which input of the keyed operator the rows are for
	rows      *rowsMessage // of kind rows
	watermark int64        // of kind watermark
}

type messageKind uint8

const (
	rowsKind messageKind = iota
	watermarkKind
	barrierKind
)

// rowsMessage carries rows that the exchange copied out of a batch. The receiver
// owns it until it calls release.
type rowsMessage struct {
	batch *columnar.Batch
	bytes int
	free  func()
}

func (m *rowsMessage) release() {
	if m.free != nil {
		m.free()
	}
}

// inbox is a task's queue of messages from all its senders.
//
// One channel for all senders would not do: after a sender's barrier the task
// must go on reading the others, and only the others, until theirs have come
// (barriers are aligned, so that state at the barrier is that of whole epochs).
// So every sender has a queue of its own, and take skips the held ones.
//
//  1. A sender's messages are taken in the order in which they were put.
//  2. After take returns a sender's barrier, nothing of that sender is taken
//     until release.
//  3. The queued bytes of one sender stay below limit, but for one message.
type inbox struct {
	limit int // bytes per sender

	mu      sync.Mutex
	ready   sync.Cond // a message came, or the inbox closed
	room    sync.Cond // bytes went, or the inbox closed
	senders []senderQueue
	next    int // the sender after the one that was served last
	held    int // senders whose barrier was taken
	err     error
}

type senderQueue struct {
	queue []message
	head  int
	bytes int
	held  bool
}

func newInbox(senders, limit int) *inbox {
	in := &inbox{limit: limit, senders: make([]senderQueue, senders)}
	in.ready.L, in.room.L = &in.mu, &in.mu
	return in
}

// put queues a message; it waits while the sender's queue is full. It fails only
// after close.
func (in *inbox) put(sender int, m message) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	q := &in.senders[sender]
	for in.err == nil && q.bytes >= in.limit {
		in.room.Wait()
	}
	if in.err != nil {
		return in.err
	}
	if q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
	}
	q.queue = append(q.queue, m)
	if m.rows != nil {
		q.bytes += m.rows.bytes
	}
	in.ready.Signal()
	return nil
}

// take waits for the next message of a sender that is not held. A taken barrier
// holds its sender; aligned says that it was the last one missing.
func (in *inbox) take() (sender int, m message, aligned bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for {
		if in.err != nil {
			return 0, message{}, false, in.err
		}
		if sender, ok := in.pick(); ok {
			m := in.pop(sender)
			return sender, m, in.held == len(in.senders), nil
		}
		in.ready.Wait()
	}
}

func (in *inbox) pick() (int, bool) {
	n := len(in.senders)
	for k := range n {
		i := (in.next + k) % n
		if q := &in.senders[i]; !q.held && q.head < len(q.queue) {
			in.next = (i + 1) % n
			return i, true
		}
	}
	return 0, false
}

func (in *inbox) pop(sender int) message {
	q := &in.senders[sender]
	m := q.queue[q.head]
	q.queue[q.head] = message{}
	q.head++
	switch m.kind {
	case rowsKind:
		full := q.bytes >= in.limit
		q.bytes -= m.rows.bytes
		if full && q.bytes < in.limit {
			in.room.Broadcast()
		}
	case barrierKind:
		q.held = true
		in.held++
	}
	return m
}

// release lets every held sender go on, once the epoch of its barrier is decided.
func (in *inbox) release() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.senders {
		in.senders[i].held = false
	}
	in.held = 0
}

// close makes every put and take fail with err, now and later.
func (in *inbox) close(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = err
	}
	in.ready.Broadcast()
	in.room.Broadcast()
}

// closeOn closes the inbox when ctx is done.
func (in *inbox) closeOn(ctx context.Context) {
	context.AfterFunc(ctx, func() { in.close(context.Cause(ctx)) })
}
