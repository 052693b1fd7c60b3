// Package engine runs a pipeline's graph over a log: it cuts the graph into tasks,
// carries rows between them in batches, and commits everything that a stretch of
// input does, in outputs, state and positions, in one transaction of the log.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// Options say what to run and where. Graph, Cluster and StateDir are required.
type Options struct {
	Graph   *dsl.Graph
	Cluster client.Cluster
	// StateDir keeps the worker's state between runs. One process at a time.
	StateDir string
	FS       vfs.FS    // default the operating system's
	Stdout   io.Writer // of the stdout sink; default os.Stdout
	// Dir is what relative paths in the pipeline are relative to; default the
	// process's working directory.
	Dir string
	// Worker names this worker among those of the pipeline; default "0".
	Worker string
	// Principal is whom the log takes this process for, "User:" and a name; only for
	// messages about missing rights, "" if it is not known.
	Principal string
	// Parallelism is the number of tasks per keyed operator; default GOMAXPROCS.
	Parallelism int
	// AtLeastOnce gives up the transaction: a crash repeats what was written since
	// the last commit, in outputs and in state. For measuring what the transaction
	// costs, and for clusters without transactions.
	AtLeastOnce bool
	// SessionTimeout is after how long without a sign of life another worker may
	// take over; default 45 s.
	SessionTimeout time.Duration
	// Epoch, if not 0, takes the place of the pipeline's options.epoch_max.
	Epoch  time.Duration
	Logger *slog.Logger // default slog.Default()
}

// Pipeline runs a graph exactly once over a log.
//
// The simple way to run a pipeline is a goroutine per operator that reads, keeps
// state and writes; after a crash it starts at the last committed offset, with
// state that has seen rows beyond it and outputs that are already out. Here
// everything that a stretch of input does happens in one transaction of the log:
// an epoch. Its outputs, the changes of its state (as records of the changelog),
// the positions in its inputs and their watermarks become visible together or
// not at all. The engine needs nothing else from the log.
//
// Invariants:
//
//  1. One epoch is open at a time. It commits or aborts as a whole, for every task.
//  2. No epoch commits without its offset commit, so a worker that was fenced from
//     the group cannot commit anything.
//  3. State in memory is final, and may reach the disk, only once the epoch's
//     transaction has committed.
//  4. After an abort every operator instance is new and every reader is at the
//     last committed position.
//  5. An outcome that is not known is neither applied nor taken back before it is
//     settled with the coordinator.
type Pipeline struct {
	options Options
	graph   dsl.Options
	plan    *plan
	logger  *slog.Logger
	client  *client.Client
	writer  writer
	group   *client.Group
	member  *client.Generation

	cluster     string   // id
	changelogID [16]byte // of the topic

	sources  map[*dsl.Node]connectors.Source
	sinks    map[*dsl.Node]*sharedSink
	stats    map[*dsl.Node]*nodeStats
	suspects map[*dsl.Node]*suspect
	states   map[*dsl.Node]*keyedState

	// The last committed epoch, owned by Run's goroutine.
	positions   map[splitKey]splitState
	handles     map[string][]byte // of staged sinks
	topicSplits map[splitKey]client.TopicPartition
	topicIDs    map[string]string // by name; as epochs record them, see identify
	doubtful    *outcome          // an epoch whose commit has no known outcome
	refresh     bool              // the open epoch commits all positions, changed or not
	refreshed   time.Time         // when one did
	landed      bool              // an epoch has committed and tasks do not know of it yet

	pulse          pulse
	uncommitted    atomic.Int64 // bytes written in the open epoch
	times          commitTimes
	checkpointDue  atomic.Bool
	lastCheckpoint time.Time
	epoch          atomic.Uint64
	watermark      atomic.Int64
	commitMedian   atomic.Int64
	commits        counter
	aborts         counter
	rowsIn         counter
	ended          atomic.Bool
}

// splitState is a split's committed position.
type splitState struct {
	known     bool
	position  []byte
	watermark int64
}

// errStopped ends a run that was asked to end.
var errStopped = errors.New("stopped")

// Open opens what a run needs beside the log: sources, and sinks that are not part
// of its transaction. Close it.
func Open(o Options) (*Pipeline, error) {
	o.fill()
	p := &Pipeline{
		options: o, graph: o.Graph.Options, plan: newPlan(o.Graph), logger: o.Logger.With("pipeline", o.Graph.Name),
		client:  client.New(o.Cluster, client.Options{Logger: o.Logger}),
		sources: map[*dsl.Node]connectors.Source{}, stats: map[*dsl.Node]*nodeStats{}, suspects: map[*dsl.Node]*suspect{},
		positions: map[splitKey]splitState{}, handles: map[string][]byte{}, topicSplits: map[splitKey]client.TopicPartition{}, topicIDs: map[string]string{}, pulse: newPulse(),
	}
	p.watermark.Store(columnar.MinTime)
	for _, n := range o.Graph.Nodes {
		p.stats[n] = &nodeStats{}
		p.suspects[n] = &suspect{skip: map[string]error{}}
	}
	if err := p.openConnectors(); err != nil {
		return nil, errors.Join(err, p.closeConnectors())
	}
	return p, nil
}

func (o *Options) fill() {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Worker == "" {
		o.Worker = "0"
	}
	if o.Parallelism == 0 {
		o.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Epoch == 0 {
		o.Epoch = o.Graph.Options.EpochMax
	}
}

func (p *Pipeline) env(n *dsl.Node) connectors.Env {
	return connectors.Env{Pipeline: p.plan.graph.Name, Node: n.Name, Cluster: p.options.Cluster, Dir: p.options.Dir, Stdout: p.options.Stdout}
}

func (p *Pipeline) openConnectors() error {
	for _, f := range p.plan.sources {
		src, err := f.head.Source.New(p.env(f.head), f.head.Want)
		if err != nil {
			return fmt.Errorf("open source %s: %w", f.head.Name, err)
		}
		p.sources[f.head] = src
	}
	sinks, err := openSinks(p.plan.graph, p.env)
	p.sinks = sinks
	return err
}

func (p *Pipeline) closeConnectors() error {
	var errs []error
	for n, src := range p.sources {
		if err := src.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close source %s: %w", n.Name, err))
		}
	}
	return errors.Join(append(errs, closeSinks(p.sinks))...)
}

// Run takes the pipeline over and runs it until its bounded sources have ended
// or ctx is done; in both cases it commits the last epoch and returns nil. Any
// other end is an error, with nothing of the open epoch visible.
//
// When ctx is done Run finishes the epoch for at most stopTimeout.
func (p *Pipeline) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		p.pulse.beat()
		time.AfterFunc(stopTimeout, cancel)
	})
	defer stop()
	r := &run{p: p, ctx: inner, stopping: ctx.Done()}
	err := r.loop()
	if errors.Is(err, errStopped) {
		err = nil
	}
	return errors.Join(err, p.release())
}

// stopTimeout is how long the last epoch may take after Run was asked to end.
const stopTimeout = 30 * time.Second

// Close releases what Open took. Run must have returned.
func (p *Pipeline) Close() error { return p.closeConnectors() }
