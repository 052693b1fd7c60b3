package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/engine"
	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/log/client"
)

// runFlags are those of run.
type runFlags struct {
	node        nodeFlags
	remote      remote
	data        string
	worker      string
	parallelism int
	epoch       time.Duration
	quiet       bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a pipeline, with a log of its own or over --brokers",
		Long: `Run a pipeline until its bounded sources have ended, or until SIGINT or SIGTERM.

Without --brokers the log and the engine run in this process, and any Kafka
client can connect to --listen meanwhile. Without --data everything is kept in a
new temporary directory; with it, a second run goes on where the first stopped.`,
		Args: exactArgs("a pipeline file"),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := a.load(args[0])
			if err != nil {
				return err
			}
			return a.run(c.Context(), g, &f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.data, "data", "", "directory for the log and the pipeline's state (default: a new temporary one)")
	flags.StringVarP(&f.remote.brokers, "brokers", "b", "", "run over these brokers (host:port,...) instead of a log of its own")
	flags.StringVar(&f.worker, "worker", "0", "this worker's name among those of the pipeline")
	flags.IntVar(&f.parallelism, "parallelism", 0, "tasks per keyed operator (default: one per processor)")
	flags.DurationVar(&f.epoch, "epoch", 0, "longest time between commits (default: the pipeline's options.epoch_max)")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
	f.remote.security.flagsBesidePair(c)
	f.node.flags(c)
	f.node.admin.flags(c, "none")
	return c
}

// run wires a log to the engine:
//
//  1. open the log, in process or over the network;
//  2. open the pipeline and run it, with progress beside it;
//  3. when it ends: pipeline first, then the node, then the summary.
func (a *app) run(ctx context.Context, g *dsl.Graph, f *runFlags) error {
	discard, err := f.makeData(g)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cluster, where, closeLog, err := a.openLog(ctx, cancel, f)
	if err != nil {
		return errors.Join(err, discard())
	}
	p, err := engine.Open(engine.Options{
		Graph: g, Cluster: cluster, StateDir: filepath.Join(f.data, "state", g.Name), Stdout: a.term,
		Worker: f.worker, Principal: f.principal(), Parallelism: f.parallelism, Epoch: f.epoch, Logger: a.logger(),
	})
	if err != nil {
		return errors.Join(err, closeLog())
	}
	began := time.Now()
	if !f.quiet {
		kept := "data"
		if f.remote.brokers != "" {
			kept = "state"
		}
		fmt.Fprintf(a.term.errors(), "millrace: running %s; %s; %s in %s\n", g.Name, where, kept, f.data)
	}
	stopProgress := a.showProgress(p, began, f.quiet)
	err = p.Run(ctx)
	stopProgress()
	err = errors.Join(err, p.Close(), closeLog())
	stats := p.Stats()
	if started := stats.Commits > 0 || rowsRead(stats) > 0; !f.quiet && (started || err == nil) {
		a.summary(g, stats, time.Since(began), f)
	}
	return err
}

// makeData makes the data directory. discard takes a temporary one away again, as
// long as nobody could have written to it.
func (f *runFlags) makeData(g *dsl.Graph) (discard func() error, err error) {
	if f.data != "" {
		return func() error { return nil }, os.MkdirAll(f.data, 0o755)
	}
	dir, err := os.MkdirTemp("", "millrace-"+g.Name+"-")
	f.data = dir
	return func() error { return os.RemoveAll(dir) }, err
}

// principal is whom the log takes the engine for; "" if only the brokers know whom its
// certificate names.
func (f *runFlags) principal() string {
	switch s := &f.remote.security; {
	case f.remote.brokers == "":
		return millog.EnginePrincipal
	case s.user != "":
		return "User:" + s.user
	case s.pair != (keyPair{}):
		return ""
	}
	return "User:ANONYMOUS"
}

// openLog is the pipeline's cluster, what to say about it, and its end.
func (a *app) openLog(ctx context.Context, cancel context.CancelFunc, f *runFlags) (client.Cluster, string, func() error, error) {
	if r := &f.remote; r.brokers != "" {
		r.security.pair = f.node.listen.pair
		r.timeout, r.stdin = 10*time.Second, a.stdin
		a.warnExposed(r.security.secrets()...)
		answered := a.sayWaiting(r)
		conn, err := r.connection(ctx)
		answered()
		if err != nil {
			return nil, "", nil, err
		}
		return conn.Cluster(), "log at " + r.brokers, func() error { conn.Close(); return nil }, nil
	}
	a.warnExposed(f.node.secrets()...)
	n, err := f.node.open(ctx, f.data, a.logger())
	if err != nil {
		return nil, "", nil, err
	}
	where := "not listening"
	if n.addr != "" {
		where = "Kafka clients can connect to " + n.addr
	}
	stop := context.AfterFunc(n.failed, cancel) // a failed disk ends the pipeline
	session := n.Session(millog.SessionOptions{ClientID: "millrace-engine", Principal: millog.EnginePrincipal})
	return session, where, func() error {
		stop()
		return n.close(ctx)
	}, nil
}

// progressEvery is how often the progress line changes.
const progressEvery = 200 * time.Millisecond

func (a *app) showProgress(p *engine.Pipeline, began time.Time, quiet bool) (stop func()) {
	if quiet || !a.term.live {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		var last int64
		at := began
		for {
			select {
			case now := <-t.C:
				s := p.Stats()
				in := rowsRead(s)
				a.term.progress(progressLine(s, in, float64(in-last)/now.Sub(at).Seconds()))
				last, at = in, now
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended; a.term.clear() }
}

func progressLine(s engine.Stats, in int64, rate float64) string {
	line := fmt.Sprintf("  %s rows in, %s out, %s rows/s, epoch %d", thousands(in), thousands(s.RowsOut), thousands(int64(rate)), s.Epoch)
	if s.HasTime {
		line += ", event time " + s.Watermark.Format(time.RFC3339)
	}
	if s.Late > 0 {
		line += fmt.Sprintf(", %s late", thousands(s.Late))
	}
	if s.Errors > 0 {
		line += fmt.Sprintf(", %s errors", thousands(s.Errors))
	}
	return line
}

// rowsRead counts the rows that sources have read, committed or not.
func rowsRead(s engine.Stats) int64 {
	var n int64
	for _, node := range s.Nodes {
		if node.Kind == dsl.Source {
			n += node.In
		}
	}
	return n
}

func (a *app) summary(g *dsl.Graph, s engine.Stats, took time.Duration, f *runFlags) {
	w := a.term.errors()
	rows := [][]string{{"", "ROWS IN", "OUT", "LATE", "ERRORS"}}
	for _, n := range s.Nodes {
		out := thousands(n.Out)
		if n.Kind == dsl.Sink {
			out = "-"
		}
		rows = append(rows, []string{n.Kind.String() + " " + n.Name, thousands(n.In), out, thousands(n.Late), thousands(n.Errors)})
	}
	fmt.Fprintln(w)
	_ = printTable(w, rows)
	in := thousands(s.RowsIn) + " rows in"
	if read := rowsRead(s); read > s.RowsIn {
		in = fmt.Sprintf("%s of %s rows in committed", thousands(s.RowsIn), thousands(read))
	}
	errs := thousands(s.Errors) + " errors"
	if s.Errors == 1 {
		errs = "1 error"
	}
	fmt.Fprintf(w, "\n%s: %s, %s out, %s late, %s in %s (%s rows/s), %s\n",
		g.Name, in, thousands(s.RowsOut), thousands(s.Late), errs,
		took.Round(time.Millisecond), thousands(int64(float64(s.RowsIn)/took.Seconds())), plural(int(s.Commits), "epoch", "epochs"))
	for _, n := range s.Nodes {
		if n.LastError != "" {
			fmt.Fprintf(w, "last error at %s, row %s: %s\n", n.Name, n.LastErrorPosition, n.LastError)
		}
	}
	if f.remote.brokers != "" {
		fmt.Fprintf(w, "state: %s (a cache of what is in the log: it may go)\n", f.data)
		return
	}
	fmt.Fprintf(w, "data: %s (millrace server --data %s serves it to Kafka clients)\n", f.data, f.data)
}
