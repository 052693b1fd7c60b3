package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// run is the coordinator of one Run: a single goroutine that takes the pipeline
// over, starts generations, and decides where epochs end.
type run struct {
	p        *Pipeline
	ctx      context.Context
	stopping <-chan struct{}
	owned    bool // the group's generation is ours and positions are loaded
	failures int  // generations that ended without a commit in between
}

// loop runs generation after generation until the pipeline ends, is stopped, or
// fails for good.
func (r *run) loop() error {
	for {
		if !r.owned {
			if err := r.takeOver(); err != nil {
				return err
			}
		}
		err := r.generation()
		if err == nil {
			return nil
		}
		if err := r.afterFailure(err); err != nil {
			return err
		}
	}
}

func (r *run) takeOver() error {
	for {
		ctx, cancel := r.untilStopped()
		err := r.p.takeOver(ctx)
		cancel()
		if err == nil {
			r.owned = true
			return nil
		}
		if r.stopped() {
			return errStopped
		}
		if errors.Is(err, client.ErrFenced) {
			return r.displaced(err)
		}
		if errors.Is(err, client.ErrNotAuthorized) {
			r.failures++
			if err := r.denied(err); err != nil {
				return err
			}
			continue
		}
		if !retriable(err) && !lostGroup(err) {
			return fmt.Errorf("take over: %w", err)
		}
		r.failures++
		if err := r.pause(err); err != nil {
			return err
		}
	}
}

// untilStopped is a context that ends when the run is asked to stop.
func (r *run) untilStopped() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-r.stopping:
			cancel()
		case <-done:
		}
	}()
	return ctx, func() { close(done); cancel() }
}

func (r *run) stopped() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return r.ctx.Err() != nil
	}
}

// generation runs epochs until the end or the first failure.
func (r *run) generation() error {
	p := r.p
	splits, err := p.discover(r.ctx)
	if err != nil {
		return err
	}
	looked := time.Now()
	g, err := p.newGeneration(r.ctx, splits)
	if err != nil {
		return err
	}
	for {
		done, err := r.nextEpoch(g)
		if err != nil {
			return errors.Join(err, g.stop())
		}
		if done {
			return g.stop()
		}
		if time.Since(looked) < discoverEvery {
			continue
		}
		looked = time.Now()
		switch now, err := p.discover(r.ctx); {
		case errors.Is(err, client.ErrTopicRecreated):
			return errors.Join(err, g.stop())
		case err != nil: // no reason to end: if it lasts, the readers will say so
			p.logger.Warn("could not look for new splits; trying again later", "cause", err, "wait", discoverEvery)
		case !sameSplits(splits, now):
			return errors.Join(errGrown, g.stop())
		}
	}
}

// discoverEvery is how often sources are asked for new splits.
const discoverEvery = 30 * time.Second

// errGrown ends a generation because a source has other splits now, such as a
// topic that got more partitions.
var errGrown = errors.New("a source has new splits")

func sameSplits(a, b map[*dsl.Node][]connectors.Split) bool {
	return maps.EqualFunc(a, b, func(x, y []connectors.Split) bool { return slices.Equal(x, y) })
}

// nextEpoch runs one epoch to its commit; done says that it was the last.
func (r *run) nextEpoch(g *generation) (done bool, err error) {
	if err := r.untilFull(g); err != nil {
		return false, err
	}
	p := r.p
	stopping, ended := r.stopped(), g.ended()
	e := newEpoch(p.epoch.Load() + 1)
	meet, err := g.barrier(e)
	if err != nil {
		return false, err
	}
	p.observe(meet)
	if p.worthCommitting(meet) {
		if err := p.commit(r.ctx, e, meet); err != nil {
			return false, err
		}
		r.failures = 0
		p.forgive()
	}
	p.checkpointDue.Store(p.wantsCheckpoint())
	p.landed = false
	close(e.decided)
	if ended {
		p.ended.Store(true)
	}
	return stopping || ended, nil
}

// untilFull waits until the open epoch should close.
func (r *run) untilFull(g *generation) error {
	p := r.p
	full := time.NewTimer(p.options.Epoch)
	defer full.Stop()
	quick := time.NewTimer(max(epochMin, epochMinCommits*p.times.median()))
	defer quick.Stop()
	early := false // the least time of an epoch has passed
	for {
		switch {
		case r.stopped() || g.ended():
			return nil
		case p.uncommitted.Load() >= p.options.uncommittedMax(p.graph):
			return nil
		case early && g.drained() && g.hasRows():
			return nil
		}
		select {
		case <-full.C:
			return nil
		case <-quick.C:
			early = true
		case <-p.pulse.c:
		case <-g.failed:
			return g.cause
		case <-p.member.Lost():
			return memberLost{p.member.Err()}
		}
	}
}

// afterFailure decides what a failed generation means: nil is to try again.
func (r *run) afterFailure(err error) error {
	p := r.p
	p.aborts.add(1)
	r.failures++
	if settled, serr := p.settle(r.ctx, err); serr != nil {
		return errors.Join(err, serr)
	} else if !settled {
		r.owned = false
	}
	if r.stopped() {
		return fmt.Errorf("the last epoch could not be committed: %w", err)
	}
	var poison *poisonRow
	var own *nodeFailure
	var fail *RowFailure
	var member memberLost
	switch {
	case errors.Is(err, errGrown):
		p.logger.Info("a source has new splits; reading them too")
		return nil
	case errors.As(err, &fail):
		return err
	case errors.As(err, &poison):
		return r.afterPoison(poison)
	case errors.As(err, &own):
		return r.afterNodeFailure(own)
	case lostGroup(err):
		r.owned = false
		return nil
	case errors.As(err, &member):
		if errors.Is(err, client.ErrFenced) {
			return r.displaced(err)
		}
		r.owned = false
		return nil
	case errors.Is(err, client.ErrNotAuthorized):
		return r.denied(err)
	case errors.Is(err, client.ErrFenced):
		// By the transaction's timeout, or by another worker; joining the group again
		// tells which.
		r.owned = false
		return r.pause(err)
	case retriable(err):
		return r.pause(err)
	}
	return err
}

// denied decides about a refusal for want of rights. A pipeline that never had them
// ends; from one that has run, an ACL may have been taken by mistake, so it waits.
func (r *run) denied(err error) error {
	err = r.p.explainDenial(r.ctx, err)
	if r.p.commits.load() == 0 {
		return err
	}
	return r.pause(err)
}

// displaced is the end of a worker whose place another process has taken.
func (r *run) displaced(err error) error {
	return fmt.Errorf("another process runs worker %s of pipeline %s now, so this one has ended; give each process its own worker name: %w", r.p.options.Worker, r.p.plan.graph.Name, err)
}

// afterNodeFailure has the epoch run again, with the failed node row by row.
func (r *run) afterNodeFailure(f *nodeFailure) error {
	s := r.p.suspects[f.node]
	if s.careful.Load() {
		return f // it fails without a row: in Open, Watermark or Timer
	}
	r.p.logger.Warn("operator failed; the epoch runs again row by row", "node", f.node.Name, "cause", f.cause, "stack", string(f.stack))
	s.careful.Store(true)
	return nil
}

func (r *run) afterPoison(row *poisonRow) error {
	s := r.p.suspects[row.node]
	if row.at == "" || s.skip[row.at] != nil {
		return row
	}
	s.skip[row.at] = row.cause
	return nil
}

// memberLost ends a generation whose membership in the group is over.
type memberLost struct{ error }

func (m memberLost) Unwrap() error { return m.error }

// lostGroup says whether the group has to be joined again.
func lostGroup(err error) bool {
	return errors.Is(err, client.ErrGeneration) || errors.Is(err, client.ErrRebalance) || errors.Is(err, client.ErrSessionExpired)
}

// retriable says whether trying again may help.
func retriable(err error) bool {
	return unreachable(err) || errors.Is(err, connectors.ErrTransient) || errors.Is(err, client.ErrRetriable) || errors.Is(err, client.ErrAborted) || errors.Is(err, client.ErrAbortable)
}

// unreachable says that an error is the way to the log, such as a refused
// connection, and not an answer. The log may be back in a while.
func unreachable(err error) bool {
	// Not net.Error: every error number of the system is one, a full disk too.
	return errors.As(err, new(*net.OpError)) || errors.As(err, new(*net.DNSError))
}

// pause waits before another try: 20 ms, doubling up to 10 s.
func (r *run) pause(cause error) error {
	wait := min(10*time.Millisecond<<min(r.failures, 12), 10*time.Second)
	r.p.logger.Warn("the pipeline could not go on; trying again", "cause", cause, "wait", wait)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.stopping:
		return errStopped
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// hasRows says that something was read since the last barrier. It is a hint: a
// row that comes meanwhile is in the next epoch.
func (g *generation) hasRows() bool {
	for _, s := range g.splits {
		if s.dirty.Load() {
			return true
		}
	}
	return false
}

// discover lists the splits of all sources. ErrTopicRecreated: a topic is another
// one than epochs know.
func (p *Pipeline) discover(ctx context.Context) (map[*dsl.Node][]connectors.Split, error) {
	splits := map[*dsl.Node][]connectors.Split{}
	for n, src := range p.sources {
		found, err := src.Splits(ctx)
		if err != nil {
			return nil, fmt.Errorf("source %s: list splits: %w", n.Name, err)
		}
		splits[n] = found
		for _, s := range found {
			if n.Source.Topic != "" {
				if err := p.identify(n.Source.Topic, s.TopicID); err != nil {
					return nil, err
				}
				p.topicSplits[splitKey{n.Name, s.ID}] = client.TopicPartition{Topic: n.Source.Topic, Partition: s.Partition}
			}
		}
	}
	return splits, nil
}

// observe updates what progress shows.
func (p *Pipeline) observe(meet *rendezvous) {
	least := columnar.MaxTime
	for _, s := range meet.splits {
		least = min(least, s.watermark)
	}
	if len(meet.splits) > 0 {
		p.watermark.Store(least)
	}
}

// forgive ends the row-by-row mode of nodes once the epoch has committed.
func (p *Pipeline) forgive() {
	for _, s := range p.suspects {
		s.careful.Store(false)
		clear(s.skip) // those rows are behind the committed positions; tasks wait
	}
}
