package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
)

// sharedSink is a staged or after-commit sink: one per pipeline, kept over aborts,
// written to by all chains in turn.
type sharedSink struct {
	node   *dsl.Node
	staged connectors.StagedSink
	after  connectors.AfterCommitSink

	mu sync.Mutex // one Write at a time
}

// openSinks opens the sinks that are not part of the log's transaction.
func openSinks(g *dsl.Graph, env func(*dsl.Node) connectors.Env) (map[*dsl.Node]*sharedSink, error) {
	sinks := map[*dsl.Node]*sharedSink{}
	for _, n := range g.Nodes {
		if n.Kind != dsl.Sink || n.Sink.Log != nil {
			continue
		}
		s := &sharedSink{node: n}
		var err error
		if n.Sink.Staged != nil {
			s.staged, err = n.Sink.Staged(env(n))
		} else {
			s.after, err = n.Sink.AfterCommit(env(n))
		}
		if err != nil {
			closeSinks(sinks)
			return nil, fmt.Errorf("open sink %s: %w", n.Name, err)
		}
		sinks[n] = s
	}
	return sinks, nil
}

func closeSinks(sinks map[*dsl.Node]*sharedSink) error {
	var first error
	for n, s := range sinks {
		var err error
		if s.staged != nil {
			err = s.staged.Close()
		} else {
			err = s.after.Close()
		}
		if err != nil && first == nil {
			first = fmt.Errorf("close sink %s: %w", n.Name, err)
		}
	}
	return first
}

func (s *sharedSink) write(b *columnar.Batch, rowError func(int32, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staged != nil {
		return s.staged.Write(b, rowError)
	}
	return s.after.Write(b, rowError)
}

// recover brings the sink to where the last committed epoch left it.
func (s *sharedSink) recover(ctx context.Context, last []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after != nil {
		s.after.Aborted()
		return nil
	}
	if err := s.staged.Recover(ctx, last); err != nil {
		return fmt.Errorf("recover sink %s: %w", s.node.Name, err)
	}
	return nil
}

// prepare makes a staged sink's rows durable; the handle goes into the epoch.
func (s *sharedSink) prepare(ctx context.Context, number uint64) ([]byte, error) {
	if s.staged == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	handle, err := s.staged.Prepare(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("prepare sink %s: %w", s.node.Name, err)
	}
	return handle, nil
}

// commit makes the epoch's rows visible.
func (s *sharedSink) commit(ctx context.Context, handle []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch {
	case s.after != nil:
		err = s.after.Committed(ctx)
	case handle != nil:
		err = s.staged.Commit(ctx, handle)
	}
	if err != nil {
		return fmt.Errorf("commit sink %s: %w", s.node.Name, err)
	}
	return nil
}

// sinkInput is a sink as a consumer in one chain. Nothing of an epoch reaches a
// sink before the epoch in front of it has committed.
type sinkInput struct {
	node  *dsl.Node
	stats *nodeStats
	gate  *gate
	fails *failureSink

	log    connectors.LogSink // per chain; or
	out    connectors.LogWriter
	shared *sharedSink
}

func (s *sinkInput) push(b *columnar.Batch) error {
	if err := s.gate.pass(); err != nil {
		return err
	}
	s.stats.in.add(b.Len())
	rowError := func(row int32, err error) { s.fails.row(s.node, b, row, err) }
	var err error
	if s.log != nil {
		err = s.log.Write(b, s.out, rowError)
	} else {
		err = s.shared.write(b, rowError)
	}
	if err != nil {
		return fmt.Errorf("sink %s: %w", s.node.Name, err)
	}
	return nil
}

// gate holds a chain's output back until the previous epoch has committed. A
// chain that ended its epoch may go on reading and computing meanwhile.
type gate struct {
	ctx  context.Context // the generation's
	prev *epoch          // nil: open
}

// open says whether pass would not wait.
func (g *gate) open() bool { return g.prev == nil || g.prev.committed() }

func (g *gate) pass() error {
	if g.prev == nil {
		return nil
	}
	if err := g.prev.wait(g.ctx); err != nil {
		return err
	}
	g.prev = nil
	return nil
}
