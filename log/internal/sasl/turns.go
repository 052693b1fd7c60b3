package sasl

import (
	"context"
	"errors"
	"sync"
)

// turns lets so many derive keys at once and has the others wait.
//
// One queue for all would do, but for strangers: a key takes ten milliseconds of a
// processor, and a machine that opens connections faster than that, each with some
// password, would keep everybody else out. So each address has a queue, and the
// addresses take turns: who floods the node waits behind himself.
//
//  1. A turn is free only while nobody waits.
//  2. An address is in order once if somebody of it waits, and has a queue then.
//  3. At most maxWaiting of one address wait. A client that has left cannot be told
//     from one that waits, so a flood of such would hold connections until its turn.
type turns struct {
	mu     sync.Mutex
	free   int
	queues map[string][]chan struct{} // by address; a turn closes the channel
	order  []string                   // addresses that wait; the first has the next turn
}

// maxWaiting is what one processor gets through in a few seconds: more than a fleet
// of one address that comes back at once, less than clients are ready to wait for.
const maxWaiting = 256

// ErrBusy means that too many clients of the address wait already; another try later
// may succeed.
var ErrBusy = errors.New("too many clients of this address authenticate with PLAIN at once; SCRAM leaves the work to them")

func newTurns(n int) *turns { return &turns{free: n, queues: map[string][]chan struct{}{}} }

// take waits for a turn of somebody at an address, or for the end of ctx. Who has got
// one gives it back.
func (t *turns) take(ctx context.Context, address string) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	if len(t.queues[address]) >= maxWaiting {
		t.mu.Unlock()
		return ErrBusy
	}
	turn := make(chan struct{})
	if t.queues[address] == nil {
		t.order = append(t.order, address)
	}
	t.queues[address] = append(t.queues[address], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		t.leave(address, turn)
		return context.Cause(ctx)
	}
}

// give hands a turn on to the next address.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass is give with mu held.
func (t *turns) pass() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	address := t.order[0]
	queue := t.queues[address]
	t.order = t.order[1:]
	if len(queue) > 1 {
		t.queues[address] = queue[1:]
		t.order = append(t.order, address)
	} else {
		delete(t.queues, address)
	}
	close(queue[0])
}

// leave gives up waiting, and the turn that has come meanwhile.
func (t *turns) leave(address string, turn chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.queues[address] {
		if other == turn {
			t.remove(address, i)
			return
		}
	}
	t.pass()
}

// remove takes somebody out of an address's queue; with mu held.
func (t *turns) remove(address string, i int) {
	queue := append(t.queues[address][:i], t.queues[address][i+1:]...)
	if len(queue) > 0 {
		t.queues[address] = queue
		return
	}
	delete(t.queues, address)
	for i, other := range t.order {
		if other == address {
			t.order = append(t.order[:i], t.order[i+1:]...)
			return
		}
	}
}
