package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
)

// generation is the pipeline's goroutines between two aborts: everything in it is
// made from the last committed epoch and thrown away as a whole. That an abort
// discards operator instances, queues and readers is what makes "take it all
// back" one mechanism instead of one per part.
type generation struct {
	splits  []*splitTask
	tasks   []*task
	parties int // who reports at a barrier

	build  *builder
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup
	failed chan struct{} // closed with the first failure
	once   sync.Once
	cause  error // read after failed is closed

	open atomic.Pointer[barrierRequest] // the barrier that tasks answer
}

// errAborted ends the goroutines of a generation that is given up.
var errAborted = errors.New("the epoch was aborted")

// newGeneration builds and starts the goroutines, from the pipeline's committed
// positions and state.
func (p *Pipeline) newGeneration(ctx context.Context, splits map[*dsl.Node][]connectors.Split) (*generation, error) {
	g := &generation{failed: make(chan struct{})}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.build = &builder{
		p: p, ctx: g.ctx, stages: map[*dsl.Node]*stage{}, senders: map[*dsl.Node]int{}, suspects: p.suspects,
		out: &recorder{ctx: g.ctx, w: p.writer, bytes: &p.uncommitted, limit: p.options.uncommittedMax(p.graph), pulse: p.pulse},
	}
	if err := g.assemble(p, splits); err != nil {
		g.cancel(errAborted)
		return nil, errors.Join(err, g.build.close())
	}
	for _, s := range g.splits {
		g.start(s.run)
	}
	for _, t := range g.tasks {
		g.start(t.run)
	}
	return g, nil
}

func (g *generation) assemble(p *Pipeline, splits map[*dsl.Node][]connectors.Split) error {
	g.build.makeStages(splits)
	groups, peers := p.plan.groups(), map[*dsl.Node]*splitPeers{}
	for _, f := range p.plan.sources {
		group := groups[f.head]
		if peers[group] == nil {
			peers[group] = &splitPeers{}
		}
		arrival := p.arrival(f.head, splits)
		for _, s := range splits[f.head] {
			t, err := g.build.split(f, p.sources[f.head], s, peers[group], arrival)
			if err != nil {
				return err
			}
			g.splits = append(g.splits, t)
			peers[group].seen = append(peers[group].seen, &t.seen)
		}
	}
	for _, f := range p.plan.stages {
		for _, t := range g.build.stages[f.head].tasks {
			if err := g.build.keyedTask(t, f); err != nil {
				return err
			}
			t.current = g.open.Load
			t.log = p.changelogFor(g.build.out)
			t.after = p.checkpoint
			g.tasks = append(g.tasks, t)
		}
	}
	g.parties = len(g.splits) + len(g.tasks)
	return nil
}

func (g *generation) start(run func(context.Context) error) {
	g.wait.Go(func() {
		err := run(g.ctx)
		if err != nil && g.ctx.Err() == nil {
			g.fail(err)
		}
	})
}

// fail ends the generation with its first failure.
func (g *generation) fail(err error) {
	g.once.Do(func() {
		g.cause = err
		close(g.failed)
		g.cancel(errAborted)
	})
}

// stop ends all goroutines and releases what they used. Nothing that they wrote
// since the last commit may be used after it.
func (g *generation) stop() error {
	g.cancel(errAborted)
	g.wait.Wait()
	return g.build.close()
}

// drained says that every split has been read up to what there is now.
func (g *generation) drained() bool {
	for _, s := range g.splits {
		if !s.drained.Load() {
			return false
		}
	}
	return true
}

// ended says that every split is bounded and was read to its end.
func (g *generation) ended() bool {
	for _, s := range g.splits {
		if !s.ended.Load() {
			return false
		}
	}
	return true
}

// barrier ends the epoch e: it asks every split and waits until all splits and
// tasks have answered.
func (g *generation) barrier(e *epoch) (*rendezvous, error) {
	meet := newRendezvous(g.parties)
	req := &barrierRequest{e, meet}
	g.open.Store(req)
	for _, s := range g.splits {
		s.ask(e, meet)
	}
	select {
	case <-meet.full:
		return meet, nil
	case <-g.failed:
		return nil, g.cause
	case <-g.ctx.Done():
		// By the first failure, or from outside, as when a stop takes too long: then
		// nobody fails, and nobody answers either.
		select {
		case <-g.failed:
			return nil, g.cause
		default:
			return nil, context.Cause(g.ctx)
		}
	}
}
