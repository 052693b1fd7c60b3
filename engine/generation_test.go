package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
)

func newTestGeneration(ctx context.Context) *generation {
	g := &generation{failed: make(chan struct{}), build: &builder{}}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// TestAFailedTaskFreesItsSenders: whoever waits for room in the inbox of a task
// that has failed ends with the generation.
func TestAFailedTaskFreesItsSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGeneration(t.Context())
		node := &dsl.Node{Name: "n", Verb: "v"}
		task := &task{node: node, inbox: newInbox(1, 1), suspect: &suspect{}, op: &windowSum{}}
		g.start(func(context.Context) error {
			for {
				m := message{rows: &rowsMessage{batch: &columnar.Batch{Rows: 1}, bytes: 10}}
				if err := task.inbox.put(0, m); err != nil {
					return err
				}
			}
		})
		synctest.Wait()
		g.start(task.run)
		<-g.failed
		if _, own := asNodeFailure(g.cause, node); !own {
			t.Errorf("the generation's cause is %v, want the operator's failure", g.cause)
		}
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestABarrierEndsWithTheRun: when the run is cut off from outside, nobody fails and
// nobody answers.
func TestABarrierEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		g := newTestGeneration(ctx)
		g.parties = 1
		cut := errors.New("cut off")
		cancel(cut)
		if _, err := g.barrier(newEpoch(1)); !errors.Is(err, cut) {
			t.Errorf("barrier: %v", err)
		}
	})
}
