package engine

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/client"
)

// TestTheLogComesBack: a connection that is refused is no answer; the pipeline goes
// on when the log is back. A full disk is one.
func TestTheLogComesBack(t *testing.T) {
	down := 2
	src := &memSource{splits: rowsFor(4, 1, 200), step: 50}
	src.gate = func(_, row int) error {
		if down > 0 && row > 0 {
			down--
			return fmt.Errorf("fetch: %w", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
		}
		return nil
	}
	g := newTestGraph("down", src)
	p := openPipeline(t, g, newCluster(t), t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := g.sums.sorted(), expected(src.splits); !slices.Equal(got, want) {
		t.Errorf("sums differ: %d rows, want %d", len(got), len(want))
	}
	if retriable(&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}) {
		t.Error("a full disk is tried again for ever")
	}
}

// spying shows a test what is asked of a cluster.
type spying struct {
	client.Cluster
	asked func(kmsg.Request)
}

func (s spying) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	s.asked(req)
	return s.Cluster.Request(ctx, req)
}

// TestOffsetsAreStable: where to go on from is asked for only while no transaction
// holds offsets of the group, be it of a worker that another has taken over from.
func TestOffsetsAreStable(t *testing.T) {
	var fetches, unstable atomic.Int32
	cluster := spying{newCluster(t), func(req kmsg.Request) {
		if f, ok := req.(*kmsg.OffsetFetchRequest); ok {
			fetches.Add(1)
			if !f.RequireStable {
				unstable.Add(1)
			}
		}
	}}
	p := openPipeline(t, newTestGraph("stable", &memSource{splits: rowsFor(4, 1, 200), step: 50}), cluster, t.TempDir())
	defer p.Close()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fetches.Load() == 0 || unstable.Load() > 0 {
		t.Errorf("of %d requests for offsets %d would take unstable ones", fetches.Load(), unstable.Load())
	}
}
