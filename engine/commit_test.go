package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// TestNothingPassesACommit: while an epoch commits, its sources read on, and what
// they read waits in front of the sinks. A row that passed would be in the epoch that
// commits without its position, and come again.
func TestNothingPassesACommit(t *testing.T) {
	src := &memSource{splits: rowsFor(9, 2, 3000), step: 10}
	reads := make(chan struct{}, 1)
	src.gate = func(int, int) error {
		select {
		case reads <- struct{}{}:
		default:
		}
		return nil
	}
	var committing atomic.Bool
	var passed, commits atomic.Int32
	cluster := spying{newCluster(t), func(req kmsg.Request) {
		if _, ok := req.(*kmsg.EndTxnRequest); !ok {
			return
		}
		// From the last of the epoch's acknowledgements on nothing may come. Time is
		// given to what could, and nothing is expected of it.
		committing.Store(true)
		commits.Add(1)
		for range 2 {
			select {
			case <-reads:
			case <-time.After(5 * time.Millisecond):
			}
		}
		committing.Store(false)
	}}
	sink := &watchedSink{write: func() {
		if committing.Load() {
			passed.Add(1)
		}
	}}
	g := newTestGraph("passing", src)
	halves(src, g.sums)
	mem := g.graph.Nodes[0]
	out := &dsl.Node{Name: "watched", Kind: dsl.Sink, Verb: "watched", Schema: memSchema, Inputs: [][]dsl.Edge{{{From: mem}}},
		Sink: &connectors.SinkPlan{AfterCommit: func(connectors.Env) (connectors.AfterCommitSink, error) { return sink, nil }}}
	g.graph.Nodes = append(g.graph.Nodes, out)
	p := openPipeline(t, g, cluster, t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if passed.Load() > 0 || commits.Load() < 2 {
		t.Errorf("%d batches passed %d commits", passed.Load(), commits.Load())
	}
}

// watchedSink is an after-commit sink that tells of every batch.
type watchedSink struct {
	collector
	write func()
}

func (s *watchedSink) Write(b *columnar.Batch, rowError func(int32, error)) error {
	s.write()
	return s.collector.Write(b, rowError)
}

// TestPositionsAreRefreshed: the first commit of a run has the offsets of all
// partitions, also of those that nobody writes to: the cluster forgets offsets that
// are not committed for long.
func TestPositionsAreRefreshed(t *testing.T) {
	var mu sync.Mutex
	var first map[int32]bool // partitions of clicks in the first commit
	cluster := spying{newCluster(t), func(req kmsg.Request) {
		commit, ok := req.(*kmsg.TxnOffsetCommitRequest)
		mu.Lock()
		defer mu.Unlock()
		if !ok || first != nil {
			return
		}
		first = map[int32]bool{}
		for _, topic := range commit.Topics {
			for _, p := range topic.Partitions {
				if topic.Topic == "clicks" {
					first[p.Partition] = true
				}
			}
		}
	}}
	c := client.New(cluster, client.Options{})
	splits := rowsFor(21, 3, 500)
	for range 2 {
		first = nil
		src := &memSource{splits: splits, step: 20}
		g := newTestGraph("refreshed", src)
		mem := g.graph.Nodes[0].Source
		mem.Topic = "clicks"
		mem.New = func(connectors.Env, []string) (connectors.Source, error) { return topicSource{src, c, "clicks"}, nil }
		p := openPipeline(t, g, cluster, t.TempDir())
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Close()
		// Of the second life one partition has more rows.
		last := splits[0][len(splits[0])-1]
		splits[0] = append(splits[0], memRow{last.key, 1, last.at + 10})
	}
	if len(first) != 3 {
		t.Errorf("the first commit of the second life has partitions %v of three", first)
	}
}
