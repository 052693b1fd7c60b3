package engine

import (
	"fmt"
	"io/fs"
	"net"
	"slices"
	"syscall"
	"testing"
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
