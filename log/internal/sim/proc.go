package sim

import (
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// Proc is a core that runs on a node, for one life of it. Its duties are gated by
// the same core.Runner as in production; its Host is called as a core.Driver would.
type Proc struct {
	node   *Node
	runner *core.Runner
	host   core.Host
	calls  map[uint64]func(any, error)
	nextID uint64
	ended  bool
	wakeAt time.Duration // of the Tick that is scheduled, 0 if none is
}

// Run starts a core on the node. It gets a Tick first.
func (n *Node) Run(c core.Core, h core.Host) *Proc {
	p := &Proc{node: n, host: h, calls: map[uint64]func(any, error){}}
	p.runner = core.NewRunner(c, (*procExecutor)(p))
	n.procs = append(n.procs, p)
	p.Input(core.Tick{})
	return p
}

// Input gives the core an input, soon and in order with others.
func (p *Proc) Input(in core.Input) {
	p.node.After(0, func() { p.step(in) })
}

// Call gives the core a request. done is called with its Reply or its failure, or
// never, if the node crashes first.
func (p *Proc) Call(request func(id uint64) core.Input, done func(response any, err error)) {
	p.nextID++
	p.calls[p.nextID] = done
	p.Input(request(p.nextID))
}

// Close ends the core: its Host is not called any more.
func (p *Proc) Close() { p.ended = true }

func (p *Proc) step(in core.Input) {
	if p.ended {
		return
	}
	p.runner.Step(p.node.Sim.now, in)
	if err := p.runner.Failed(); err != nil {
		p.ended = true
		for id := uint64(1); id <= p.nextID; id++ {
			if done := p.take(id); done != nil {
				done(nil, err)
			}
		}
		p.host.Reset(err)
		return
	}
	p.schedule(p.runner.WakeAt())
}

// schedule makes sure of a Tick at the time that the core wants.
func (p *Proc) schedule(at time.Duration) {
	if at == 0 || p.wakeAt != 0 && p.wakeAt <= at {
		return
	}
	p.wakeAt = at
	p.node.After(max(0, at-p.node.Sim.now), func() {
		if p.wakeAt == at {
			p.wakeAt = 0
			p.step(core.Tick{})
		}
	})
}

func (p *Proc) take(id uint64) func(any, error) {
	done := p.calls[id]
	delete(p.calls, id)
	return done
}

// procExecutor starts the duties of a Proc's core.
type procExecutor Proc

func (x *procExecutor) Append(a core.Append) {
	x.host.Append(a, func(d core.Done) { (*Proc)(x).Input(d) })
}

func (x *procExecutor) Propose(d core.Propose) {
	x.host.Propose(d, func(d core.Done) { (*Proc)(x).Input(d) })
}

func (x *procExecutor) Send(d core.Send) { x.host.Send(d, (*Proc)(x).Input) }
func (x *procExecutor) Do(duty any)      { x.host.Do(duty) }

func (x *procExecutor) Reply(r core.Reply, err error) {
	if done := (*Proc)(x).take(r.ID); done != nil {
		done(r.Response, err)
	}
}
