package sim

import (
	"slices"
	"time"
)

// Node is a machine: it is up or down, and everything it has in memory lives for
// one life. What its disk keeps is the world's, in variables outside start; OnCrash
// is where it loses what was not synced.
type Node struct {
	ID  int32
	Sim *Sim

	start   func(*Node)
	up      bool
	life    int
	onCrash []func()
	procs   []*Proc
}

// Node adds a machine. start is called at every start of it, the first when the run
// begins, and sets up what the node does: procs, timers, handlers.
func (s *Sim) Node(id int32, start func(*Node)) *Node {
	n := &Node{ID: id, Sim: s, start: start}
	s.nodes = append(s.nodes, n)
	return n
}

// Up reports whether the node runs.
func (n *Node) Up() bool { return n.up }

// Life counts the node's starts, from 1.
func (n *Node) Life() int { return n.life }

// After calls f when d has passed, unless this life has ended by then.
func (n *Node) After(d time.Duration, f func()) {
	life := n.life
	n.Sim.After(d, func() {
		if n.up && n.life == life {
			f()
		}
	})
}

// Every calls f about every d of this life; no two nodes' clocks are quite alike.
func (n *Node) Every(d time.Duration, f func()) {
	d = n.Sim.Between(d*9/10, d*11/10)
	var again func()
	again = func() {
		f()
		n.After(d, again)
	}
	n.After(n.Sim.Between(0, d), again)
}

// OnCrash calls f when this life ends, before anything of the next.
func (n *Node) OnCrash(f func()) { n.onCrash = append(n.onCrash, f) }

// Crash ends the node's life: timers, procs and messages to it are gone.
func (n *Node) Crash() {
	if !n.up {
		return
	}
	n.Sim.Logf("node %d crashes", n.ID)
	n.up = false
	for _, p := range n.procs {
		p.ended = true
	}
	for _, f := range n.onCrash {
		f()
	}
	n.procs, n.onCrash = nil, nil
}

// Restart starts a node that is down.
func (n *Node) Restart() {
	if !n.up {
		n.boot()
	}
}

func (n *Node) boot() {
	n.life++
	n.up = true
	n.Sim.Logf("node %d starts life %d", n.ID, n.life)
	n.start(n)
}

// link is a direction between two nodes.
type link struct{ from, to int32 }

// Send delivers a message from one node to another, by calling deliver there: late,
// never, or twice, and out of order with others. A node reaches itself soon and
// surely.
func (s *Sim) Send(from, to *Node, deliver func()) {
	if from == to {
		from.After(s.Between(0, time.Millisecond), deliver)
		return
	}
	copies := 1
	if s.phase == Safety && s.Chance(s.opts.Duplicate) {
		copies = 2
	}
	for range copies {
		if s.phase == Safety && s.Chance(s.opts.Drop) {
			continue
		}
		s.After(s.Between(time.Millisecond, s.opts.MaxDelay), func() {
			if to.up && !s.cut[link{from.ID, to.ID}] {
				deliver()
			}
		})
	}
}

// scheduleFault makes the next crash, restart, split or heal of the safety phase.
func (s *Sim) scheduleFault() {
	s.After(s.Between(0, 2*s.opts.FaultEvery), func() {
		if s.phase != Safety {
			return
		}
		s.fault()
		s.scheduleFault()
	})
}

func (s *Sim) fault() {
	n := s.nodes[s.Rand.IntN(len(s.nodes))]
	switch s.Rand.IntN(4) {
	case 0, 1:
		if n.up {
			n.Crash()
			s.After(s.Between(0, 2*s.opts.FaultEvery), n.Restart)
		}
	case 2: // n is cut off, in one direction or both
		oneWay := s.Chance(0.3)
		s.Logf("node %d is cut off, one way: %t", n.ID, oneWay)
		for _, other := range s.nodes {
			s.cut[link{n.ID, other.ID}] = true
			s.cut[link{other.ID, n.ID}] = !oneWay
		}
	case 3:
		s.Logf("the network heals")
		clear(s.cut)
	}
}

// heal begins the liveness phase.
func (s *Sim) heal() {
	s.Logf("all faults end")
	s.phase = Liveness
	clear(s.cut)
	for _, n := range slices.Clone(s.nodes) {
		n.Restart()
	}
}
