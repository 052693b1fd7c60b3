package broker

import "sync"

// gate counts who is inside and can be closed. The zero value is open; it may be
// used concurrently.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	empty  chan struct{} // made by closeAndWait, closed when the last one leaves
}

// enter is false if the gate is closed or limit are inside already; a limit of 0 is
// none. Who entered leaves.
func (g *gate) enter(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || limit > 0 && g.inside >= limit {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// closeAndWait lets nobody in any more and returns when nobody is inside. Only one
// goroutine at a time may wait.
func (g *gate) closeAndWait() {
	g.mu.Lock()
	g.closed = true
	if g.inside == 0 {
		g.mu.Unlock()
		return
	}
	empty := make(chan struct{})
	g.empty = empty
	g.mu.Unlock()
	<-empty
}
